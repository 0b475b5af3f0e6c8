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
  const valueNames = [...GLOBAL_FLAGS, ...commands.flatMap(flagsOf)].filter(flag => flag.takesValue)
  const lines = [fishHead(new Set(valueNames.flatMap(flag => flag.names))), 'complete -c lifeboat -f']
  const described = new Set<string>()
  for (const command of commands) {
    const [first = '', second] = command.name.split(' ')
    const own = second === undefined ? command.summary : `${first} commands`
    if (!described.has(first)) lines.push(fishWord(fishPlace(0), first, own))
    described.add(first)
    if (second !== undefined) lines.push(fishWord(fishPlace(0, first), second, command.summary))
    for (const flag of flagsOf(command)) lines.push(fishFlag(flag, fishPlace('any', command.name)))
    for (const [at, { complete, variadic }] of (command.arguments ?? []).entries()) {
      const when = fishPlace(variadic ? 'any' : at, command.name)
      if (complete !== undefined) lines.push(`complete -c lifeboat -n ${quote(when)}${fishOffer(complete)}`)
    }
  }
  for (const flag of GLOBAL_FLAGS) lines.push(fishFlag(flag, undefined))
  return `${lines.join('\n')}\n`
}

/** `__lifeboat_at PLACE VERB`: is the word at the cursor that argument (from 0, or `any`) of that command? */
function fishHead(valueNames: ReadonlySet<string>): string {
  return `# fish completion for lifeboat
function __lifeboat_at
  set -l words
  set -l skip no
  for token in (commandline -opc)[2..-1]
    if test $skip = yes
      set skip no
    else if contains -- $token ${[...valueNames].join(' ')}
      set skip yes
    else if not string match -q -- '-*' $token
      set -a words $token
    end
  end
  set -l verb $argv[2..-1]
  test (count $words) -ge (count $verb); or return 1
  for i in (seq (count $verb))
    test "$words[$i]" = "$verb[$i]"; or return 1
  end
  test $argv[1] = any; or test (math (count $words) - (count $verb)) -eq $argv[1]
end`
}

const fishPlace = (place: number | 'any', verb = ''): string => `__lifeboat_at ${place} ${verb}`.trimEnd()

function fishWord(when: string, word: string, summary: string): string {
  return `complete -c lifeboat -n ${quote(when)} -a ${word} -d ${quote(summary)}`
}

function fishFlag(flag: Flag, when: string | undefined): string {
  const names = flag.names.map(name => (name.startsWith('--') ? ` -l ${name.slice(2)}` : ` -s ${name.slice(1)}`))
  const offer = flag.complete === undefined ? '' : fishOffer(flag.complete)
  const value = flag.takesValue ? `${flag.complete === 'files' ? ' -r' : ' -x'}${offer}` : ''
  return `complete -c lifeboat${when === undefined ? '' : ` -n ${quote(when)}`}${names.join('')}${value} -d ${quote(flag.summary)}`
}

function fishOffer(words: Words): string {
  if (words === 'files') return ' -F'
  const list = typeof words === 'string' ? `(lifeboat completion ${words} 2>/dev/null)` : words.join(' ')
  return ` -a ${quote(list)}`
}

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
