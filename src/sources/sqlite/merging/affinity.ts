/**
 * The type to declare so that a column of a table that is not STRICT keeps values as one of this declared type does. Empty:
 * keeps every value as it comes.
 *
 * @see https://www.sqlite.org/datatype3.html#determination_of_column_affinity
 */
export function affinityOf(declared: string, strict: boolean): 'INTEGER' | 'TEXT' | 'REAL' | 'NUMERIC' | '' {
  const type = declared.toUpperCase()
  if (strict && type === 'ANY') return ''
  if (type.includes('INT')) return 'INTEGER'
  if (/CHAR|CLOB|TEXT/.test(type)) return 'TEXT'
  if (type === '' || type.includes('BLOB')) return ''
  return /REAL|FLOA|DOUB/.test(type) ? 'REAL' : 'NUMERIC'
}
