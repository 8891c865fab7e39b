// What is allowed: a table of commands, each with the arguments that it takes. What no row names is refused.
//
// A refusal is { rule, reason, hint }; null allows. An argument that is null is not known yet (a variable in a line) or is not
// UTF-8: a line leaves it to the exec, an exec with it is refused.

export const COMMANDS = {
  ls: {
    form: 'ls [-adhlrt1] [PATH...]',
    note: 'lists folders',
    judge: (args) => options(args, /^-[adhlrt1]+$/, 'ls'),
  },
  systemctl: {
    form: 'systemctl [--no-pager] status UNIT',
    note: 'the state of one unit',
    judge: systemctl,
  },
  tail: {
    form: 'tail [-n COUNT] FILE...',
    note: 'files below /var/log, at most 10000 lines',
    judge: tail,
  },
  uptime: {
    form: 'uptime',
    note: 'load and time since boot',
    judge: (args) => (args.length === 0 ? null : refuse('uptime', 'it takes no arguments')),
  },
};

// Built-ins of the shell: the line is the only question about them.
const BUILTINS = ['cd', 'echo', 'exit', 'history', 'logout', 'pwd'];

export function judgeArguments(name, args) {
  if (args.includes(null)) return refuse(name, 'an argument is not UTF-8');
  return COMMANDS[name].judge(args);
}

export function judgeCommand({ words, assigns, redirects, kind }) {
  if (assigns) return { rule: 'assignment', reason: 'variables are not set for commands', hint: 'allowed' };
  if (redirects.some(({ kind, target }) => !(['write', 'append'].includes(kind) && target === '/dev/null'))) {
    return { rule: 'redirect', reason: 'output goes to the terminal or to /dev/null', hint: 'COMMAND > /dev/null' };
  }
  if (words.length === 0 || kind === 'function') return null;
  const [name, ...args] = words;
  if (name === null) return { rule: 'dynamic-name', reason: 'the name of the command is only known when it runs', hint: 'allowed' };
  if (kind === 'builtin') {
    return BUILTINS.includes(name) ? null : { rule: 'builtin', reason: 'this built-in is not allowed', hint: 'allowed' };
  }
  if (!Object.hasOwn(COMMANDS, name)) return { rule: 'program', reason: 'this program is not allowed', hint: 'allowed' };
  return args.includes(null) ? null : judgeArguments(name, args);
}

// Options come first and match the pattern; what follows the first operand, or `--`, are operands.
function options(args, pattern, name) {
  const end = args.findIndex((arg) => arg === '--' || !arg.startsWith('-'));
  const wrong = (end < 0 ? args : args.slice(0, end)).find((arg) => !pattern.test(arg));
  if (wrong !== undefined) return refuse(name, 'an option is not allowed');
  // programs look for options behind operands too
  const late = end >= 0 && args[end] !== '--' && args.slice(end).some((arg) => arg.startsWith('-'));
  return late ? refuse(name, 'options come before operands') : null;
}

function systemctl(args) {
  const rest = args[0] === '--no-pager' ? args.slice(1) : args;
  if (rest[0] !== 'status') return refuse('systemctl', 'only the state is shown');
  if (rest.length !== 2 || !/^[A-Za-z0-9][A-Za-z0-9@._-]*$/.test(rest[1])) return refuse('systemctl', 'it takes the name of one unit');
  return null;
}

function tail(args) {
  let files = args;
  if (args[0] === '-n') {
    if (!/^[0-9]{1,5}$/.test(args[1] ?? '') || Number(args[1]) > 10000) return refuse('tail', 'the count is a number up to 10000');
    files = args.slice(2);
  }
  if (files.length === 0) return refuse('tail', 'it takes a file');
  return files.every(isLog) ? null : refuse('tail', 'files are read below /var/log, by their whole path');
}

function isLog(path) {
  return path.startsWith('/var/log/') && !path.split('/').includes('..');
}

function refuse(name, reason) {
  return { rule: name, reason: `${name}: ${reason}`, hint: COMMANDS[name].form };
}
