/* Run by `make test`; no WebAssembly needed: what the bindings bring is stood in for below. */

#include "bindings/policy.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef portcullis_policy_types_raw_t text;

void policy_string_dup(policy_string_t *ret, const char *s)
{
    ret->len = strlen(s);
    ret->ptr = malloc(ret->len + 1);
    memcpy(ret->ptr, s, ret->len + 1);
}
void policy_session_free(policy_session_t *session) { (void)session; }
void policy_subject_free(policy_subject_t *subject) { (void)subject; }

static int failures;

static text bytes(const char *s) { return (text){(uint8_t *)s, strlen(s)}; }

/* Compares the rule that refuses, or `allowed`. */
static void expect(const char *want, policy_subject_t subject, const char *what)
{
    policy_session_t session = {0};
    policy_verdict_t verdict;
    exports_policy_judge(&session, &subject, &verdict);
    const char *got = verdict.tag == PORTCULLIS_POLICY_TYPES_VERDICT_ALLOW ? "allowed" : (const char *)verdict.val.deny.rule.ptr;
    if (strcmp(got, want) != 0) {
        printf("%s: %s instead of %s\n", what, got, want);
        failures++;
    }
}

/* An exec of a path with arguments, which are divided by blanks. */
static void exec(const char *want, const char *path, const char *arguments)
{
    text argv[16] = {bytes(path)};
    size_t count = 1;
    char *copy = strdup(arguments);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) argv[count++] = bytes(word);
    policy_subject_t subject = {.tag = PORTCULLIS_POLICY_TYPES_SUBJECT_EXEC};
    subject.val.exec.path = bytes(path);
    subject.val.exec.argv.ptr = argv;
    subject.val.exec.argv.len = count;
    expect(want, subject, arguments);
    free(copy);
}

/* A line of one command; a word with a `$` is not known yet. */
static void line(const char *want, const char *command, uint8_t kind, const char *redirect)
{
    portcullis_policy_types_word_t words[16];
    size_t count = 0;
    char *copy = strdup(command);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "), count++) {
        uint8_t how = strchr(word, '$') ? PORTCULLIS_POLICY_TYPES_WORD_KIND_DYNAMIC : PORTCULLIS_POLICY_TYPES_WORD_KIND_LITERAL;
        words[count] = (portcullis_policy_types_word_t){bytes(word), how};
    }
    portcullis_policy_types_redirect_t to = {.kind = PORTCULLIS_POLICY_TYPES_REDIRECT_KIND_WRITE, .target = {.text = bytes(redirect)}};
    portcullis_policy_types_command_t one = {.words = {words, count}, .redirects = {&to, redirect[0] != 0}, .kind = kind};
    policy_subject_t subject = {.tag = PORTCULLIS_POLICY_TYPES_SUBJECT_LINE};
    subject.val.line.commands.ptr = &one;
    subject.val.line.commands.len = 1;
    expect(want, subject, command);
    free(copy);
}

int main(void)
{
    exec("allowed", "/usr/bin/uptime", "");
    exec("uptime", "/usr/bin/uptime", "-p");
    exec("allowed", "/usr/bin/ls", "-la /var/log");
    exec("ls", "/usr/bin/ls", "--hyperlink=always");
    exec("ls", "/usr/bin/ls", "/tmp -R");
    exec("allowed", "/usr/bin/ls", "-- -R");
    exec("ls", "/usr/bin/ls", "-");
    exec("ls", "/usr/bin/ls", "\xff");
    exec("ls", "/usr/bin/ls", "\xc0\xaf");
    exec("allowed", "/usr/bin/ls", "/gr\xc3\xbc\xc3\x9f""e");
    exec("allowed", "/usr/bin/tail", "-n 10000 /var/log/messages");
    exec("tail", "/usr/bin/tail", "-n 10001 /var/log/messages");
    exec("tail", "/usr/bin/tail", "-n");
    exec("tail", "/usr/bin/tail", "-f /var/log/messages");
    exec("tail", "/usr/bin/tail", "/var/log/../../etc/shadow");
    exec("tail", "/usr/bin/tail", "/var/log/..");
    exec("allowed", "/usr/bin/tail", "/var/log/..x");
    exec("tail", "/usr/bin/tail", "/var/logs");
    exec("allowed", "/usr/bin/systemctl", "--no-pager status sshd.service");
    exec("systemctl", "/usr/bin/systemctl", "restart sshd");
    exec("systemctl", "/usr/bin/systemctl", "status -H root@elsewhere");
    exec("systemctl", "/usr/bin/systemctl", "status --host=elsewhere");
    exec("program", "/usr/bin/bash", "-c id");
    exec("program", "/tmp/uptime", "");
    exec("program", "/usr/bin/", "");

    line("allowed", "uptime", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "");
    line("allowed", "cd /tmp", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_BUILTIN, "");
    line("builtin", "eval id", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_BUILTIN, "");
    line("tail", "tail /etc/shadow", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "");
    line("allowed", "tail $FILE", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "");
    line("program", "vi $FILE", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "");
    line("dynamic-name", "$X", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "");
    line("redirect", "uptime", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "/etc/passwd");
    line("allowed", "uptime", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "/dev/null");
    line("allowed", "", PORTCULLIS_POLICY_TYPES_COMMAND_KIND_EXTERNAL, "");

    expect("file", (policy_subject_t){.tag = PORTCULLIS_POLICY_TYPES_SUBJECT_FILE}, "a file");
    expect("forward", (policy_subject_t){.tag = PORTCULLIS_POLICY_TYPES_SUBJECT_FORWARD}, "a connection");
    expect("subject", (policy_subject_t){.tag = 9}, "what there is not");

    policy_description_t about;
    exports_policy_describe(&about);
    if (about.allowed.len != 4) failures++;
    printf("%d failures\n", failures);
    return failures > 0;
}
