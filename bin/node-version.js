// Plain JavaScript that also an old Node can read.

/** The oldest Node that has what Lifeboat uses. */
const NEEDS = [22, 18]

/** @param {string} version `24.1.0` */
export function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > NEEDS[0] || (major === NEEDS[0] && minor >= NEEDS[1])
}

/** @param {string} version of a Node that is too old */
export function describeOldNode(version) {
  return {
    message: `Lifeboat needs Node ${NEEDS.join('.')} or newer, this is ${version}`,
    hint: 'Install Node 24 from https://nodejs.org, or run "npm install node@24" in this folder.',
  }
}
