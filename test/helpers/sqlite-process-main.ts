import { DatabaseSync } from 'node:sqlite'

// The other end of `sqlite-process.ts`: a program that has a database open and does what it is told.
const db = new DatabaseSync(process.argv[2] ?? '', { timeout: 5000 })

process.on('message', message => {
  try {
    db.exec(String(message))
    process.send?.({ ok: true })
  } catch (error) {
    process.send?.({ ok: false, message: String(error) })
  }
})
process.on('disconnect', () => process.exit(0))
