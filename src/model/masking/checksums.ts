/** The digit that makes a card number pass Luhn's check when it is put at its end. */
export function luhnDigit(digits: string): number {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = Number(digits[digits.length - 1 - i])
    const doubled = i % 2 === 0 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return (10 - (sum % 10)) % 10
}

export function passesLuhn(digits: string): boolean {
  return digits.length > 1 && luhnDigit(digits.slice(0, -1)) === Number(digits.at(-1))
}

const IBAN = /^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/

/** Without blanks. */
export function isIban(text: string): boolean {
  return IBAN.test(text) && mod97(text.slice(4) + text.slice(0, 4)) === 1
}

/** The two check digits of an IBAN of this country and account. */
export function ibanCheck(country: string, account: string): string {
  return String(98 - mod97(`${account}${country}00`)).padStart(2, '0')
}

/** ISO 7064: letters count from A = 10. */
function mod97(text: string): number {
  let rest = 0
  for (const char of text) {
    const value = Number.parseInt(char, 36)
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97
  }
  return rest
}
