"""Run by `make test`; no WebAssembly needed."""

import unittest

import rules


def rule(refusal):
    return refusal[0] if refusal else "allowed"


class Execs(unittest.TestCase):
    def test_execs_are_judged_by_path_and_arguments(self):
        for want, path, *args in [
            ("allowed", "/usr/bin/uptime"),
            ("uptime", "/usr/bin/uptime", "-p"),
            ("allowed", "/usr/bin/ls", "-la", "/var/log"),
            ("ls", "/usr/bin/ls", "--hyperlink=always"),
            ("ls", "/usr/bin/ls", "/tmp", "-R"),
            ("allowed", "/usr/bin/ls", "--", "-R"),
            ("ls", "/usr/bin/ls", "-l\n"),
            ("allowed", "/usr/bin/tail", "-n", "100", "/var/log/messages"),
            ("tail", "/usr/bin/tail", "-n", "10001", "/var/log/messages"),
            ("tail", "/usr/bin/tail", "-n", "\u0661", "/var/log/messages"),
            ("tail", "/usr/bin/tail", "-n"),
            ("tail", "/usr/bin/tail", "-f", "/var/log/messages"),
            ("tail", "/usr/bin/tail", "/var/log/../../etc/shadow"),
            ("tail", "/usr/bin/tail", "/var/logs"),
            ("allowed", "/usr/bin/systemctl", "--no-pager", "status", "sshd.service"),
            ("systemctl", "/usr/bin/systemctl", "restart", "sshd"),
            ("systemctl", "/usr/bin/systemctl", "status", "-H", "root@elsewhere"),
            ("systemctl", "/usr/bin/systemctl", "status", "--host=elsewhere"),
            ("program", "/usr/bin/bash", "-c", "id"),
            ("program", "/tmp/uptime"),
            ("program", None),
            ("ls", "/usr/bin/ls", None),
        ]:
            with self.subTest(path=path, args=args):
                self.assertEqual(rule(rules.judge_exec(path, list(args), [])), want)

    def test_a_script_is_refused_whatever_runs_it(self):
        self.assertEqual(rule(rules.judge_exec("/usr/bin/tail", ["/var/log/messages"], [b"/home/ann/x"])), "program")


class Lines(unittest.TestCase):
    def test_lines_are_judged_before_anything_runs(self):
        for want, words, more in [
            ("allowed", ["uptime"], {}),
            ("tail", ["tail", "/etc/shadow"], {}),
            ("allowed", ["tail", None], {}),
            ("program", ["vi", "/etc/passwd"], {}),
            ("dynamic-name", [None], {}),
            ("allowed", ["cd", "/tmp"], {"kind": "builtin"}),
            ("builtin", ["eval", "id"], {"kind": "builtin"}),
            ("assignment", ["uptime"], {"assigns": True}),
            ("redirect", ["uptime"], {"redirects": [("write", "/etc/passwd")]}),
            ("redirect", ["uptime"], {"redirects": [("read", "/dev/null")]}),
            ("redirect", ["uptime"], {"redirects": [("write", None)]}),
            ("allowed", ["uptime"], {"redirects": [("append", "/dev/null")]}),
            ("allowed", [], {}),
        ]:
            with self.subTest(words=words, more=more):
                command = {"words": words, "assigns": False, "redirects": [], "kind": "external", **more}
                self.assertEqual(rule(rules.judge_command(**command)), want)


class Refusals(unittest.TestCase):
    def test_a_refusal_says_why_and_what_is_allowed(self):
        rule, reason, hint = rules.judge_exec("/usr/bin/tail", ["/etc/shadow"], [])
        self.assertRegex(rule, "^[a-z0-9-]{1,64}$")
        self.assertTrue(1 <= len(reason) <= 512)
        self.assertEqual(hint, "tail [-n COUNT] FILE...")


if __name__ == "__main__":
    unittest.main()
