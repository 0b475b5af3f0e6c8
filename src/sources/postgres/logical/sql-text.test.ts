import { describe, expect, it } from 'vitest'
import { encodingArguments, policyRoles, rolesIn, schemaFingerprint, stableSql } from './sql-text.ts'

const dump = (key: string, version: string, body = 'CREATE TABLE t (n int);'): string =>
  `-- Dumped from database version ${version}\n-- Dumped by pg_dump version ${version}\n\\restrict ${key}\n${body}\n\\unrestrict ${key}\n`

describe('the SQL text of a dump', () => {
  it('is the same whatever key and version pg_dump wrote', () => {
    expect(stableSql(dump('abc', '15.1'))).toBe(stableSql(dump('xyz', '18.4 (Debian)')))
  })

  it('keeps a key that comes from the content, and is the same at both ends', () => {
    const [one, other] = ['SELECT 1;', 'SELECT 2;'].map(body => stableSql(dump('abc', '15.1', body)))
    const keys = (text = ''): string[] => [...text.matchAll(/^\\(?:un)?restrict (\S+)$/gm)].map(match => match[1] ?? '')
    expect(new Set(keys(one)).size).toBe(1)
    expect(keys(one)).toHaveLength(2)
    expect(keys(one)[0]).toMatch(/^[0-9a-f]{63}$/)
    expect(keys(one)[0]).not.toBe(keys(other)[0])
  })

  it('leaves lines alone that only begin like a key or a version', () => {
    const body = "\\restrict\nINSERT INTO t VALUES ('\\restrict a b');\n-- Dumped by hand"
    expect(stableSql(dump('abc', '15.1', body))).toContain(body)
  })
})

it('UTF-8 is asked for, except where nobody knows what the bytes mean', () => {
  expect(['UTF8', 'LATIN1', 'SQL_ASCII', 'MULE_INTERNAL'].map(encodingArguments)).toEqual([
    ['--encoding=UTF8'],
    ['--encoding=UTF8'],
    [],
    [],
  ])
})

describe('the fingerprint of a schema', () => {
  const schema = 'CREATE TABLE public.t (\n    n integer\n);'

  it.each([
    ['comments', `--\n-- Name: t; Owner: a\n--\n${schema}`],
    [
      'session settings',
      `SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);\n${schema}`,
    ],
    ['owners', `${schema}\nALTER TABLE public.t OWNER TO somebody;`],
    ['grants', `${schema}\nGRANT SELECT ON TABLE public.t TO reader;\nREVOKE ALL ON TABLE public.t FROM PUBLIC;`],
    ['rights of what is to come', `${schema}\nALTER DEFAULT PRIVILEGES FOR ROLE a GRANT SELECT ON TABLES TO b;`],
    ['blank lines and keys', `\\restrict a\n\n${schema}\n\n\\unrestrict a\n`],
  ])('does not depend on %s', (_what, text) => {
    expect(schemaFingerprint(text)).toBe(schemaFingerprint(schema))
  })

  it.each([
    schema.replace('integer', 'bigint'),
    `${schema}\nCREATE INDEX i ON public.t (n);`,
    schema.replace('n ', 'm '),
  ])('depends on what is in it: %s', text => {
    expect(schemaFingerprint(text)).not.toBe(schemaFingerprint(schema))
  })
})

describe('the roles that a schema names', () => {
  it('are its owners and those with rights, without their quotes', () => {
    const text = [
      'ALTER TABLE public.t OWNER TO owner_1;',
      'ALTER FUNCTION public."x OWNER TO y"() OWNER TO "The ""Owner""";',
      'GRANT SELECT ON TABLE public.t TO reader WITH GRANT OPTION;',
      'REVOKE ALL ON TABLE public.t FROM revoked CASCADE;',
      'ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT SELECT ON TABLES TO getter;',
      'GRANT USAGE ON SCHEMA public TO PUBLIC;',
      'GRANT USAGE ON SCHEMA public TO CURRENT_USER;',
    ].join('\n')
    expect(rolesIn(text)).toEqual(['The "Owner"', 'maker', 'owner_1', 'reader', 'revoked'])
  })

  it('are in its policies too, each once', () => {
    const text = [
      'CREATE POLICY p ON public.t TO alice, "Bob, the builder" USING ((n > 0));',
      'CREATE POLICY q ON public.t FOR INSERT TO alice WITH CHECK (true);',
      'CREATE POLICY r ON public.t TO carol;',
      'CREATE POLICY s ON public.t USING (true);',
      'CREATE POLICY u ON public.t TO PUBLIC USING (true);',
    ].join('\n')
    expect(policyRoles(text)).toEqual(['Bob, the builder', 'alice', 'carol'])
  })
})
