import type { Finding } from '../finding.ts'
import { isIban, passesLuhn } from './checksums.ts'
import type { MaskableColumn, MaskableTable } from './maskable.ts'
import type { DerivedKind } from './rules.ts'

/** Why a column looks personal, and the rule that suits it. */
export interface Suspicion {
  /** Completes "looks personal: ": `its name says e-mail address`. */
  readonly why: string
  readonly rule: DerivedKind | 'null'
}

interface NamePattern {
  readonly words: RegExp
  readonly what: string
  readonly rule: Suspicion['rule']
  /** Numbers and truth values under such a name are keys, counts and flags. */
  readonly textOnly: boolean
}

const pattern = (what: string, rule: Suspicion['rule'], words: string, textOnly = true): NamePattern => ({
  words: new RegExp(`(?:^|_)(?:${words})(?:_|$)`),
  what,
  rule,
  textOnly,
})

/** Names that schemas of several languages use, in words joined by `_`. */
const NAMES: readonly NamePattern[] = [
  pattern(
    'an e-mail address',
    'email',
    'e?mails?|email_?address|mail_?address|correo|courriel|epost|posta_elettronica',
  ),
  pattern(
    'a secret',
    'hash',
    'passwords?|passwd|pwd|pass_?phrase|password_?hash|secrets?|secret_?key|api_?keys?|(?:access|refresh|auth|session|reset|bearer|id)_?tokens?|tokens?|salt|otp|totp|private_?key|credentials?|kennwort|passwort|contrasena|mot_de_passe',
  ),
  pattern(
    'a phone number',
    'phone',
    'phones?|phone_?numbers?|tel|telephone|mobile|mobile_?phone|cell|cell_?phone|fax|telefon|handy|telefono|telefone|celular|movil|portable|whatsapp|dianhua|shouji',
    false,
  ),
  pattern(
    "a person's name",
    'name',
    '(?:first|last|middle|full|given|family|sur|maiden|display|nick|real|contact|customer|person|legal|billing|shipping|father|mother)_?names?|fname|lname|surname|forename|nickname|user_?name|login|vorname|nachname|familienname|nombre|apellidos?|prenom|nom|cognome|sobrenome|imie|nazwisko|xingming',
  ),
  pattern(
    'an address',
    'format',
    'address(?:es)?|address_?(?:line)?_?\\d|addr|street|street_?(?:name|number|address)|house_?(?:no|number)|strasse|hausnummer|adresse|anschrift|direccion|calle|rue|via|indirizzo|endereco|dizhi',
  ),
  pattern(
    'a postal code',
    'format',
    'zip|zip_?code|post_?code|postal_?code|postal|plz|postleitzahl|cep|codigo_postal|code_postal',
    false,
  ),
  pattern(
    'a bank account',
    'format',
    'iban|bic|swift|account_?(?:no|number)|bank_?account|routing_?number|sort_?code|kontonummer',
    false,
  ),
  pattern(
    'a payment card',
    'format',
    'card_?(?:no|num|number)|credit_?card|cc_?(?:no|num|number)|pan|cvv|cvc|card_?last_?4|last_?4',
    false,
  ),
  pattern(
    'an identity number',
    'format',
    'ssn|social_?security(?:_?(?:no|number))?|passport(?:_?(?:no|number))?|national_?id|id_?card(?:_?(?:no|number))?|identity_?(?:no|number)|driving_?licen[cs]e|licen[cs]e_?(?:no|number)|tax_?(?:id|no|number)|vat_?(?:id|no|number)|nino|dni|nie|nif|cpf|cnpj|curp|bsn|pesel|personnummer|steuer_?(?:id|nummer)|sozialversicherungsnummer|codice_fiscale|shenfenzheng',
    false,
  ),
  pattern(
    'a date of birth',
    'format',
    'dob|birth|born|birth_?(?:date|day|year)|birthday|date_?of_?birth|geburtstag|geburtsdatum|fecha_(?:de_)?nacimiento|date_(?:de_)?naissance|data_di_nascita',
    false,
  ),
  pattern('an IP address', 'format', 'ip|ip_?addr(?:ess)?|client_?ip|remote_?(?:ip|addr)|last_?ip|login_?ip'),
  pattern('a place', 'null', 'lat|lon|lng|latitude|longitude|geo_?(?:location|point)|coordinates|gps', false),
  pattern(
    'health or beliefs',
    'null',
    'diagnos[ie]s|medical_?(?:history|record)|blood_?type|religion|ethnicity|sexual_?orientation',
  ),
]

/** A plain `name` is somebody's only in a table of people. */
const PERSON_TABLES =
  /(?:^|_)(?:users?|customers?|clients?|persons?|people|employees?|staff|contacts?|members?|patients?|students?|teachers?|leads?|subscribers?|guests?|drivers?|visitors?|recipients?|authors?|actors?|actresses|accounts?|profiles?|players?|admins?|kunden?|benutzer|personen|mitarbeiter|usuarios?|clientes?|personas?|utilisateurs?)(?:_|$)/

/** `firstName`, `First Name`, `FIRST-NAME`: `first_name`. */
function wordsOf(name: string): string {
  return name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .replaceAll('ß', 'ss')
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, '$1_$2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1_$2')
    .toLowerCase()
    .replace(/[^\p{L}\d]+/gu, '_')
}

/** Keys, times, counts and flags that something personal has, and are not it. */
const ABOUT = /_(?:id|uuid|at|count|type|status|verified|enabled|confirmed)$/
const IDENTITY = /(?:^|_)(?:national|tax|vat|steuer)_?id$/

export function suspectName(table: string, column: MaskableColumn): Suspicion | undefined {
  const words = wordsOf(column.name)
  if (ABOUT.test(words) && !IDENTITY.test(words)) return undefined
  const flag = column.type === 'boolean'
  const number =
    column.type === 'integer' || column.type === 'decimal' || /^(?:int|integer|bigint)/i.test(column.typeName)
  for (const each of NAMES) {
    if (!each.words.test(words) || flag || (each.textOnly && number)) continue
    return { why: `its name says ${each.what}`, rule: each.rule }
  }
  if (words === 'name' && !number && PERSON_TABLES.test(wordsOf(table))) {
    return { why: "its name says a person's name", rule: 'name' }
  }
  return undefined
}

interface ContentPattern {
  readonly what: string
  readonly rule: DerivedKind
  readonly test: (value: string) => boolean
  /** How much of what is not empty must look so. */
  readonly share: number
}

const EMAIL = /[\p{L}\d._%+-]+@[\p{L}\d-]+(?:\.[\p{L}\d-]+)*\.\p{L}{2,}/u
const PHONE = /^(?:\+\d|\(?0\d)[\d ()./-]{6,18}\d$/
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/
const IPV6 = /^(?=.*:.*:)[\da-f:]{3,39}(?:\/\d+)?$/i

const CONTENTS: readonly ContentPattern[] = [
  { what: 'an e-mail address', rule: 'email', test: value => EMAIL.test(value), share: 0.02 },
  { what: 'an IBAN', rule: 'format', test: value => isIban(value.replaceAll(' ', '')), share: 0.1 },
  // One number in ten passes the check by chance.
  { what: 'a card number', rule: 'format', test: isCard, share: 0.6 },
  { what: 'an IP address', rule: 'format', test: value => IPV4.test(value) || isIpv6(value), share: 0.5 },
  {
    what: 'a phone number',
    rule: 'phone',
    test: value => PHONE.test(value) && !/^\d{1,4}[./-]\d/.test(value),
    share: 0.5,
  },
]

function isCard(value: string): boolean {
  const digits = value.replace(/[ -]/g, '')
  return /^[2-6]\d{12,18}$/.test(digits) && passesLuhn(digits)
}

function isIpv6(value: string): boolean {
  return IPV6.test(value) && !/^\d{1,2}(?::\d{2}){1,2}$/.test(value)
}

/** What a sample of a column's values looks like. Values that are not text are given as text. */
export function suspectContent(sample: readonly string[]): Suspicion | undefined {
  const values = sample.map(value => value.trim()).filter(value => value !== '')
  for (const each of CONTENTS) {
    const matching = values.filter(each.test).length
    if (matching === 0 || matching / values.length < each.share) continue
    return { why: `${matching} of ${values.length} values looked at hold ${each.what}`, rule: each.rule }
  }
  return undefined
}

/** How many values of a column are looked at. */
export const SAMPLE_VALUES = 200

/** The warning for a column that looks personal and has no rule; undefined when it does not look so. */
export function unmaskedFinding(
  file: string,
  table: MaskableTable,
  column: MaskableColumn,
  sample: readonly string[],
): Finding | undefined {
  if (column.generated) return undefined
  const suspicion = suspectName(table.name, column) ?? suspectContent(sample)
  if (suspicion === undefined) return undefined
  // An empty column can't tell anything of anybody, whatever its name.
  if (sample.length === 0) return undefined
  const rule = suspicion.rule === 'null' ? '"null"' : suspicion.rule
  return {
    severity: 'warning',
    code: 'personal-column-unmasked',
    subject: `${table.key}.${column.name}`,
    message: `looks personal (${suspicion.why}) and has no rule: it was copied as it is`,
    hint: `Add to ${file}, under tables: "${table.key}: { ${column.name}: ${rule} }", or "${column.name}: keep" if it is not personal.`,
  }
}
