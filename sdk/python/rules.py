"""What is allowed: a table of commands, each with the arguments that it takes. What no row names is refused.

A refusal is (rule, reason, hint); None allows. An argument that is None is not known yet (a variable in a line) or is not
UTF-8: a line leaves it to the exec, an exec with it is refused.
"""

import re

# name: the form that is allowed, and what it is for
COMMANDS = {
    "ls": ("ls [-adhlrt1] [PATH...]", "lists folders"),
    "systemctl": ("systemctl [--no-pager] status UNIT", "the state of one unit"),
    "tail": ("tail [-n COUNT] FILE...", "files below /var/log, at most 10000 lines"),
    "uptime": ("uptime", "load and time since boot"),
}

# built-ins of the shell: the line is the only question about them
BUILTINS = ("cd", "echo", "exit", "history", "logout", "pwd")

FOLDERS = ("/usr/bin/", "/usr/sbin/")

UNKNOWN_PROGRAM = ("program", "this program is not allowed", "allowed")


def judge_exec(path, args, scripts):
    """An exec is the authority: the program is known by its canonical path, whatever it is called by."""
    folder = next((folder for folder in FOLDERS if path is not None and path.startswith(folder)), None)
    name = path[len(folder):] if folder else None
    if name not in COMMANDS or scripts:
        return UNKNOWN_PROGRAM
    return judge_arguments(name, args)


def judge_command(words, assigns, redirects, kind):
    """One command of a line, before anything runs. `redirects` are (kind, target)."""
    if assigns:
        return ("assignment", "variables are not set for commands", "allowed")
    if any(kind not in ("write", "append") or target != "/dev/null" for kind, target in redirects):
        return ("redirect", "output goes to the terminal or to /dev/null", "COMMAND > /dev/null")
    if not words or kind == "function":
        return None
    name, args = words[0], words[1:]
    if name is None:
        return ("dynamic-name", "the name of the command is only known when it runs", "allowed")
    if kind == "builtin":
        return None if name in BUILTINS else ("builtin", "this built-in is not allowed", "allowed")
    if name not in COMMANDS:
        return UNKNOWN_PROGRAM
    return None if None in args else judge_arguments(name, args)


def judge_arguments(name, args):
    if None in args:
        return refuse(name, "an argument is not UTF-8")
    return {"ls": _ls, "systemctl": _systemctl, "tail": _tail, "uptime": _uptime}[name](args)


def _ls(args):
    # options come first; what follows the first operand, or `--`, are operands, and ls looks for options behind those too
    end = next((i for i, arg in enumerate(args) if arg == "--" or not arg.startswith("-")), len(args))
    if any(not re.fullmatch("-[adhlrt1]+", arg, re.ASCII) for arg in args[:end]):
        return refuse("ls", "an option is not allowed")
    if args[end:end + 1] != ["--"] and any(arg.startswith("-") for arg in args[end:]):
        return refuse("ls", "options come before operands")
    return None


def _systemctl(args):
    rest = args[1:] if args[:1] == ["--no-pager"] else args
    if rest[:1] != ["status"]:
        return refuse("systemctl", "only the state is shown")
    if len(rest) != 2 or not re.fullmatch("[A-Za-z0-9][A-Za-z0-9@._-]*", rest[1]):
        return refuse("systemctl", "it takes the name of one unit")
    return None


def _tail(args):
    files = args
    if args[:1] == ["-n"]:
        count = args[1] if len(args) > 1 else ""
        if not re.fullmatch("[0-9]{1,5}", count) or int(count) > 10000:
            return refuse("tail", "the count is a number up to 10000")
        files = args[2:]
    if not files:
        return refuse("tail", "it takes a file")
    if not all(file.startswith("/var/log/") and ".." not in file.split("/") for file in files):
        return refuse("tail", "files are read below /var/log, by their whole path")
    return None


def _uptime(args):
    return refuse("uptime", "it takes no arguments") if args else None


def refuse(name, reason):
    return (name, f"{name}: {reason}", COMMANDS[name][0])
