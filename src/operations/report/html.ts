import { printableName } from '../../base/bytes.ts'

/** Markup that is safe to put into a page. Only `html` makes it. */
export class Html {
  readonly #markup: string

  constructor(markup: string) {
    this.#markup = markup
  }

  toString(): string {
    return this.#markup
  }
}

/** Markup with values in it: whatever is no `Html` is text, and cannot become markup in content or in a quoted attribute. */
export function html(parts: TemplateStringsArray, ...values: ReadonlyArray<Html | string | number>): Html {
  return new Html(parts.map((part, at) => (at === 0 ? part : `${markupOf(values[at - 1] ?? '')}${part}`)).join(''))
}

export function joined(parts: readonly Html[]): Html {
  return new Html(parts.map(String).join(''))
}

function markupOf(value: Html | string | number): string {
  return value instanceof Html ? value.toString() : escape(String(value))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escape = (text: string): string => printableName(text).replace(/[&<>"']/g, char => ENTITIES[char] ?? '')
