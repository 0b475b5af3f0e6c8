import { spawnSync } from 'node:child_process'

/** A Node of this machine that is too old to run us. */
export const OLD_NODE = ['/usr/bin/node', '/usr/local/bin/node'].find(path => {
  const { stdout, status } = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return status === 0 && Number(/^v(\d+)/.exec(stdout)?.[1]) < 22
})
