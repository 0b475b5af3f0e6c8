import { AppError } from '../../base/errors.ts'
import type { Printed } from '../../outputs/outputs.ts'
import type { Call, Command, Output } from '../command.ts'

const SHELLS = ['bash', 'zsh', 'fish'] as const

export const completion: Command<Printed<'completion'>> = {
  name: 'completion',
  summary: 'print a shell completion script',
  description: ['The script also completes the names of your sources and repositories.'],
  arguments: [{ name: 'shell', summary: `one of: ${SHELLS.join(', ')}`, required: true, complete: SHELLS }],
  examples: [
    { command: 'source <(lifeboat completion bash)', explains: 'in ~/.bashrc' },
    { command: 'source <(lifeboat completion zsh)', explains: 'in ~/.zshrc, after compinit' },
    { command: 'lifeboat completion fish > ~/.config/fish/completions/lifeboat.fish', explains: 'once' },
  ],
  run: async call => {
    const shell = call.values.required('shell')
    // The scripts themselves ask for these while a person types.
    if (shell === 'sources' || shell === 'repositories') return names(call, shell)
    const { completionScript } = await import('../completion-scripts.ts')
    const known = SHELLS.find(name => name === shell)
    if (known === undefined) {
      throw new AppError('usage', `no completion for the shell "${shell}"`, { hint: `There is: ${SHELLS.join(', ')}.` })
    }
    const script = completionScript(known, await call.loadCommands())
    return { json: { shell: known, script }, text: script }
  },
}

async function names(call: Call, what: 'sources' | 'repositories'): Promise<Output<Printed<'completion'>>> {
  const app = await call.openApp({ onFinding: () => {} })
  const found = [...app.config[what].keys()]
  return { json: found, text: found.map(name => `${name}\n`) }
}
