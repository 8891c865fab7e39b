"""The module: what Portcullis asks, answered from the table in rules.py.

A record is an object with its fields in snake_case, a variant a class for each case with its `value`, an enum an Enum,
`list<u8>` bytes, and an option None or the value. What is raised is a denial, and a fault on record.
"""

import wit_world
from wit_world.imports.types import (
    AllowedForm, Children, CommandKind, Confinement, Denial, Description, Network_Session, RedirectKind, Subject_Exec, Subject_File,
    Subject_Forward, Subject_Line, Verdict_Allow, Verdict_Deny, WordKind,
)

import rules


class WitWorld(wit_world.WitWorld):
    def describe(self):
        return Description(
            name="policy-name", version="0.1.0", action="INFRA_DIAG", roles=["cps"],
            # the verdict depends on the subject alone
            pure=True,
            allowed=[AllowedForm(form, note) for form, note in rules.COMMANDS.values()],
        )

    def judge(self, session, subject):
        match subject:
            case Subject_Exec(value=exec):
                return verdict(rules.judge_exec(text(exec.path), [text(arg) for arg in exec.argv[1:]], exec.scripts))
            case Subject_Line(value=line):
                # the first refusal refuses the whole; every exec is asked again
                return verdict(next(filter(None, map(judge_command, line.commands)), None))
            case Subject_File():
                return verdict(("file", "files are not transferred in this action", ""))
            case Subject_Forward():
                return verdict(("forward", "connections are not forwarded in this action", ""))
        raise ValueError("an unknown kind of subject")


def judge_command(command):
    return rules.judge_command(
        words=[literal(word) for word in command.words],
        assigns=bool(command.assignments),
        redirects=[(RedirectKind(redirect.kind).name.lower(), literal(redirect.target)) for redirect in command.redirects],
        kind=CommandKind(command.kind).name.lower(),
    )


def literal(word):
    return text(word.text) if word.kind == WordKind.LITERAL else None


def text(raw):
    """Bytes as text; None when they are not UTF-8, which no rule allows."""
    try:
        return bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return None


def verdict(refusal):
    if refusal:
        return Verdict_Deny(Denial(*refusal))
    # confined as the session is, and no further
    return Verdict_Allow(Confinement(
        run_as=None, read=None, write=None, execute=None, network=Network_Session(), children=Children.JUDGED, capabilities=[],
        environment=None, time_limit_ms=None,
    ))
