import { describe, expect, it } from 'vitest'
import { suspectContent, suspectName, unmaskedFinding } from './detection.ts'
import type { MaskableColumn } from './maskable.ts'

const column = (name: string, type: MaskableColumn['type'] = 'text'): MaskableColumn => ({
  name,
  type,
  typeName: type,
  maxChars: undefined,
  notNull: false,
  generated: false,
  caseInsensitive: false,
})

describe('columns that look personal', () => {
  it.each([
    'email',
    'Email',
    'contactEmail',
    'user_email_address',
    'mail',
    'phone',
    'PhoneNumber',
    'mobile',
    'tel',
    'first_name',
    'FirstName',
    'surname',
    'lastName',
    'vorname',
    'Straße',
    'address',
    'address2',
    'street',
    'BillingPostalCode',
    'zip',
    'iban',
    'card_number',
    'ssn',
    'passport',
    'birth_date',
    'date_of_birth',
    'dob',
    'ip',
    'last_login_ip',
    'accessToken',
    'password',
    'password_hash',
    'api_key',
    'secret',
    'lat',
    'longitude',
    'apellido',
    'prénom',
    'téléphone',
    'national_id',
  ])('%s, by its name', name => {
    expect(suspectName('things', column(name))).toBeDefined()
  })

  it.each([
    'id',
    'title',
    'created_at',
    'email_verified_at',
    'token_count',
    'description',
    'price',
    'zipper',
    'mailbox_id',
    'tip',
    'flatness',
    'nominal',
  ])('not %s', name => {
    expect(suspectName('things', column(name))).toBeUndefined()
  })

  it("takes a name for a person's in a table of people only, and flags and numbers for neither", () => {
    expect(suspectName('genres', column('name'))).toBeUndefined()
    expect(suspectName('AppUser', column('Name'))).toMatchObject({ rule: 'name' })
    expect(suspectName('things', column('email', 'boolean'))).toBeUndefined()
    expect(suspectName('things', column('tokens', 'integer'))).toBeUndefined()
    expect(suspectName('things', column('phone', 'integer'))).toBeDefined()
  })

  it.each([
    ['an e-mail address', ['write to ada@lovelace.org, please', ...Array.from({ length: 30 }, () => 'nothing here')]],
    ['an IBAN', ['DE89 3704 0044 0532 0130 00', 'GB82WEST12345698765432']],
    ['a card number', ['4111 1111 1111 1111', '5500005555555559']],
    ['an IP address', ['10.0.0.1', '192.168.0.77', '2001:db8::1']],
    ['a phone number', ['+49 30 1234567', '030 7654321', '(030) 123-4567']],
  ])('%s, by content', (what, values) => {
    expect(suspectContent(values)?.why).toContain(what)
  })

  it.each([
    ['dates', ['2024-01-02', '01/02/2024', '01.02.2024', '2024-01-02 10:00:00']],
    ['numbers', ['1', '7093482019283', '1234567890123456', '3141592653589793']],
    ['versions and times', ['1.2.3', '10:22:11', '4.5']],
    ['words', ['hello', 'a @ b', '@handle']],
    ['nothing', []],
  ])('not %s', (_what, values) => {
    expect(suspectContent(values)).toBeUndefined()
  })

  it('are named with the line to add, unless they are empty', () => {
    const table = {
      key: 'users',
      schema: undefined,
      name: 'users',
      columns: [],
      unique: [],
      foreignKeys: [],
      parents: [],
    }
    expect(unmaskedFinding('mask.yaml', table, column('email'), [])).toBeUndefined()
    expect(unmaskedFinding('mask.yaml', table, column('email'), ['a'])).toMatchObject({
      severity: 'warning',
      code: 'personal-column-unmasked',
      subject: 'users.email',
      hint: expect.stringContaining('"users: { email: email }", or "email: keep"'),
    })
  })
})
