import { describe, expect, it } from 'vitest'
import { unqualified } from './path-functions.ts'

const known = { functions: new Set(['fold', 'Fold It']), relations: new Set(['post', 'Order', 'fold']) }

describe('names in the body of a function that an empty search path does not find', () => {
  it.each([
    ['select lower(fold(t))', ['fold']],
    ['select public.fold(t)', []],
    ['select fold from x', []],
    ['select count(*) from post', ['post']],
    ['SELECT count(*) FROM Post', ['post']],
    ['select 1 from public.post', []],
    ['select 1 from "Order" join post p on true', ['Order', 'post']],
    ['select "Fold It"(1)', ['Fold It']],
    ["select 'from post' -- from post\n /* from post */", []],
    ['select $q$ from post $q$', []],
    ['declare r post%rowtype; begin insert into post values (1); end', ['post']],
    ['begin insert into post (id) values (1); return; end', ['post']],
    ['select post from elsewhere.post', []],
    ['', []],
  ])('%s', (body, names) => {
    expect(unqualified(body, known)).toEqual(names)
  })
})
