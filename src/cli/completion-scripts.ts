import type { Command, OptionSpec, Words } from './command.ts'
import { GLOBAL_OPTIONS } from './global-options.ts'

export type Shell = 'bash' | 'zsh' | 'fish'

/** The script for one shell, made from the definitions of all commands. */
export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return shell === 'bash' ? bash(commands) : shell === 'zsh' ? zsh(commands) : fish(commands)
}

interface Flag {
  readonly names: readonly string[]
  readonly takesValue: boolean
  readonly summary: string
  readonly complete: Words | undefined
}

function flagOf(spec: OptionSpec): Flag {
  const names = spec.flags.match(/(?<![\w-])--?[a-z][\w-]*/gi) ?? []
  return {
    names,
    takesValue: / <.*>$/.test(spec.flags),
    summary: spec.summary,
    complete: spec.complete ?? spec.choices,
  }
}

const GLOBAL_FLAGS = GLOBAL_OPTIONS.map(flagOf)
const flagsOf = (command: Command): Flag[] => (command.options ?? []).map(flagOf)

// ---- bash

function bash(commands: readonly Command[]): string {
  const firstWords = [...new Set(commands.map(command => command.name.split(' ')[0]))]
  const globals = GLOBAL_FLAGS.flatMap(flag => flag.names)
  const valueNames = new Set(
    [...GLOBAL_FLAGS, ...commands.flatMap(flagsOf)].filter(flag => flag.takesValue).flatMap(flag => flag.names),
  )
  const flagCases = commands.map(command => {
    const names = flagsOf(command).flatMap(flag => flag.names)
    return `    "${command.name}") flags="${[...names, ...globals].join(' ')}" ;;`
  })
  return `# bash completion for lifeboat
_lifeboat() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
  local verb="" sub="" words="" flags="${globals.join(' ')}" at=-1 i word
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$word" in
      ${[...valueNames].join('|')}) ((i++)) ;;
      -*) ;;
      *)
        at=$((at + 1))
        if [ -z "$verb" ]; then verb="$word"; elif [ -z "$sub" ]; then sub="$word"; fi
        ;;
    esac
  done
  case "$verb" in
${bashGroups(commands).join('\n')}
  esac
  case "$verb|$prev" in
${bashValues(commands).join('\n')}
  esac
  if [[ "$cur" == -* ]]; then
    case "$verb" in
${flagCases.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$flags --help" -- "$cur"))
    return
  fi
  if [ -z "$verb" ]; then
    COMPREPLY=($(compgen -W "${firstWords.join(' ')} help" -- "$cur"))
    return
  fi
  if [ -n "$words" ] && [ -z "$sub" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    return
  fi
  case "$verb|$at" in
${bashArguments(commands).join('\n')}
  esac
}
complete -F _lifeboat lifeboat
`
}

/** `key` needs a second word; with it, `$verb` becomes `key add`. */
function bashGroups(commands: readonly Command[]): string[] {
  const members = commands.filter(command => command.name.includes(' '))
  const groups = Map.groupBy(members, command => command.name.split(' ')[0] ?? '')
  return [...groups].map(([name, own]) => {
    const words = own.map(command => command.name.split(' ')[1]).join(' ')
    return `    ${name}) words="${words}"; [ -n "$sub" ] && verb="$verb $sub" at=$((at - 1)) ;;`
  })
}

/** What may follow an option: the same option may mean different things to different commands. */
function bashValues(commands: readonly Command[]): string[] {
  return [
    ...commands.flatMap(command => bashValueCases(`"${command.name}"`, flagsOf(command))),
    ...bashValueCases('*', GLOBAL_FLAGS),
  ]
}

function bashValueCases(verb: string, flags: readonly Flag[]): string[] {
  return flags
    .filter(flag => flag.takesValue)
    .map(flag => {
      const patterns = flag.names.map(name => `${verb}"|${name}"`).join(' | ')
      return `    ${patterns}) ${bashOffer(flag.complete)}; return ;;`
    })
}

function bashArguments(commands: readonly Command[]): string[] {
  return commands.flatMap(command => {
    return (command.arguments ?? []).flatMap(({ complete, variadic }, at) => {
      const place = variadic ? `"${command.name}|"*` : `"${command.name}|${at}"`
      return complete === undefined ? [] : [`    ${place}) ${bashOffer(complete)}; return ;;`]
    })
  })
}

function bashOffer(words: Words | undefined): string {
  if (words === undefined) return 'COMPREPLY=()'
  if (words === 'files') return 'COMPREPLY=($(compgen -f -- "$cur"))'
  const list = typeof words === 'string' ? `$(lifeboat completion ${words} 2>/dev/null)` : words.join(' ')
  return `COMPREPLY=($(compgen -W "${list}" -- "$cur"))`
}

// ---- zsh: its own interpreter of bash completions keeps the two the same

function zsh(commands: readonly Command[]): string {
  return `#compdef lifeboat
autoload -U +X bashcompinit && bashcompinit
${bash(commands)}`
}

// ---- fish

function fish(commands: readonly Command[]): string {
  const lines = ['# fish completion for lifeboat', 'complete -c lifeboat -f']
  const described = new Set<string>()
  for (const command of commands) {
    const [first = '', second] = command.name.split(' ')
    const own = second === undefined ? command.summary : `${first} commands`
    if (!described.has(first)) lines.push(fishWord('__fish_use_subcommand', first, own))
    described.add(first)
    const seen = `__fish_seen_subcommand_from ${first}`
    if (second !== undefined) lines.push(fishWord(seen, second, command.summary))
    const when = second === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${second}`
    for (const flag of flagsOf(command)) lines.push(fishFlag(flag, when))
    const argument = command.arguments?.[0]?.complete
    if (argument !== undefined) lines.push(`complete -c lifeboat -n ${quote(when)}${fishOffer(argument)}`)
  }
  for (const flag of GLOBAL_FLAGS) lines.push(fishFlag(flag, undefined))
  return `${lines.join('\n')}\n`
}

function fishWord(when: string, word: string, summary: string): string {
  return `complete -c lifeboat -n ${quote(when)} -a ${word} -d ${quote(summary)}`
}

function fishFlag(flag: Flag, when: string | undefined): string {
  const names = flag.names.map(name => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`))
  const value = flag.takesValue ? ` -x${flag.complete === undefined ? '' : fishOffer(flag.complete)}` : ''
  return `complete -c lifeboat${when === undefined ? '' : ` -n ${quote(when)}`}${names.join('')}${value} -d ${quote(flag.summary)}`
}

function fishOffer(words: Words): string {
  if (words === 'files') return ' -F'
  const list = typeof words === 'string' ? `(lifeboat completion ${words} 2>/dev/null)` : words.join(' ')
  return ` -a ${quote(list)}`
}

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
