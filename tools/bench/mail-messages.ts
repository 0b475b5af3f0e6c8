import type { SeededRandom, TextGenerator } from './random-text.ts'

export const MESSAGES_A_USER = 150

const FIRST_DAY = 1_700_000_000
const FOLDERS = ['inbox', 'inbox', 'inbox', 'archive', 'sent', 'trash']

export interface Writer {
  readonly random: SeededRandom
  readonly text: TextGenerator
}

/** id, user_id, folder, flags, sent_at, message_id, sender, subject, token, body */
export type Message = [number, number, string, number, number, string, string, string, string, string]

/** One row of a mail service's largest table: natural-looking text, random tokens. */
export function makeMessage(id: number, users: number, { random, text }: Writer): Message {
  const sender = `${text.word()}@${text.word()}.example`
  return [
    id,
    1 + random.below(users),
    FOLDERS[random.below(FOLDERS.length)] ?? 'inbox',
    // From 2: SQLite stores 0 and 1 without a byte, and a row that keeps its length is changed in place.
    2 + random.below(120),
    FIRST_DAY + id * 17,
    `<${random.hex(32)}@mail.example>`,
    sender,
    text.words(3 + random.below(6)),
    random.hex(48),
    text.text(bodyLength(random)),
  ]
}

/** Most messages are short, some are long: 200 to about 3 000 characters, one in fifty up to 25 000. */
function bodyLength(random: SeededRandom): number {
  if (random.below(50) === 0) return 4000 + random.below(21_000)
  return 200 + Math.floor(2800 * (random.below(1000) / 1000) ** 1.5)
}
