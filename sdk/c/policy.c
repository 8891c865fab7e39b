/* The module: what Portcullis asks, answered from a table of commands, each with the arguments that it takes. What no row names
 * is refused. An argument without a pointer is not known yet (a variable in a line): a line leaves it to the exec.
 *
 * Texts and lists of an answer are allocated, because they are freed when it was taken. A trap (abort) is a denial, and a fault
 * on record. */

#include "bindings/policy.h"
#include <stdlib.h>
#include <string.h>

typedef portcullis_policy_types_raw_t text;

/* A refusal; `reason` is null when there is none. */
typedef struct {
    const char *rule, *reason, *hint;
} refusal;

static const refusal ALLOWED = {0};
static const refusal UNKNOWN_PROGRAM = {"program", "this program is not allowed", "allowed"};

typedef refusal (*grammar)(const text *args, size_t count);

typedef struct {
    const char *name, *form, *note;
    grammar judge;
} command;

static refusal ls(const text *args, size_t count);
static refusal systemctl(const text *args, size_t count);
static refusal tail(const text *args, size_t count);
static refusal uptime(const text *args, size_t count);

static const command COMMANDS[] = {
    {"ls", "ls [-adhlrt1] [PATH...]", "lists folders", ls},
    {"systemctl", "systemctl [--no-pager] status UNIT", "the state of one unit", systemctl},
    {"tail", "tail [-n COUNT] FILE...", "files below /var/log, at most 10000 lines", tail},
    {"uptime", "uptime", "load and time since boot", uptime},
};
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

/* Built-ins of the shell: the line is the only question about them. */
static const char *const BUILTINS[] = {"cd", "echo", "exit", "history", "logout", "pwd"};

static const char *const FOLDERS[] = {"/usr/bin/", "/usr/sbin/"};

/* ---- texts: bytes with a length, never with a NUL at their end ---- */

static bool is(text t, const char *other) { return t.len == strlen(other) && (t.len == 0 || memcmp(t.ptr, other, t.len) == 0); }

static bool starts(text t, const char *with) { return t.len >= strlen(with) && memcmp(t.ptr, with, strlen(with)) == 0; }

static text from(text t, size_t at) { return (text){t.ptr + at, t.len - at}; }

static bool made_of(text t, const char *letters)
{
    for (size_t i = 0; i < t.len; i++)
        if (t.ptr[i] == 0 || strchr(letters, t.ptr[i]) == NULL) return false;
    return true;
}

/* Whether it is UTF-8, as all that is allowed here has to be; overlong forms and surrogates are none. */
static bool is_utf8(text t)
{
    for (size_t i = 0; i < t.len;) {
        uint8_t lead = t.ptr[i++];
        size_t more = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 4;
        if (more == 4 || t.len - i < more) return false;
        if (more > 1) {
            uint8_t next = t.ptr[i];
            if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) || (lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next > 0x8f)) return false;
        }
        for (; more > 0; more--)
            if ((t.ptr[i++] & 0xc0) != 0x80) return false;
    }
    return true;
}

/* ---- the rules ---- */

#define REFUSE(name, why) ((refusal){name, name ": " why, NULL})

/* Options come first; what follows the first operand, or `--`, are operands, and ls looks for options behind those too. */
static refusal ls(const text *args, size_t count)
{
    size_t i = 0;
    for (; i < count && starts(args[i], "-") && !is(args[i], "--"); i++)
        if (args[i].len < 2 || !made_of(from(args[i], 1), "adhlrt1")) return REFUSE("ls", "an option is not allowed");
    if (i < count && is(args[i], "--")) return ALLOWED;
    for (; i < count; i++)
        if (starts(args[i], "-")) return REFUSE("ls", "options come before operands");
    return ALLOWED;
}

static refusal systemctl(const text *args, size_t count)
{
    static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char UNIT[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@._-";
    if (count > 0 && is(args[0], "--no-pager")) args++, count--;
    if (count == 0 || !is(args[0], "status")) return REFUSE("systemctl", "only the state is shown");
    bool named = count == 2 && args[1].len > 0 && made_of((text){args[1].ptr, 1}, PLAIN) && made_of(args[1], UNIT);
    return named ? ALLOWED : REFUSE("systemctl", "it takes the name of one unit");
}

static bool is_log(text path)
{
    if (!starts(path, "/var/log/")) return false;
    size_t start = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.ptr[i] != '/') continue;
        if (is((text){path.ptr + start, i - start}, "..")) return false;
        start = i + 1;
    }
    return true;
}

static refusal tail(const text *args, size_t count)
{
    if (count > 0 && is(args[0], "-n")) {
        unsigned lines = 0;
        if (count < 2 || args[1].len < 1 || args[1].len > 5 || !made_of(args[1], "0123456789")) return REFUSE("tail", "the count is a number up to 10000");
        for (size_t i = 0; i < args[1].len; i++) lines = lines * 10 + (args[1].ptr[i] - '0');
        if (lines > 10000) return REFUSE("tail", "the count is a number up to 10000");
        args += 2, count -= 2;
    }
    if (count == 0) return REFUSE("tail", "it takes a file");
    for (size_t i = 0; i < count; i++)
        if (!is_log(args[i])) return REFUSE("tail", "files are read below /var/log, by their whole path");
    return ALLOWED;
}

static refusal uptime(const text *args, size_t count)
{
    (void)args;
    return count == 0 ? ALLOWED : REFUSE("uptime", "it takes no arguments");
}

/* ---- questions ---- */

static refusal judge_arguments(text name, const text *args, size_t count)
{
    for (size_t i = 0; i < COUNT(COMMANDS); i++) {
        if (!is(name, COMMANDS[i].name)) continue;
        refusal answer = COMMANDS[i].judge(args, count);
        for (size_t arg = 0; arg < count; arg++)
            if (!is_utf8(args[arg])) answer = (refusal){COMMANDS[i].name, "an argument is not UTF-8", NULL};
        if (answer.reason && !answer.hint) answer.hint = COMMANDS[i].form;
        return answer;
    }
    return UNKNOWN_PROGRAM;
}

/* An exec is the authority: the program is known by its canonical path, whatever it is called by. */
static refusal judge_exec(const portcullis_policy_types_exec_t *exec)
{
    if (exec->scripts.len > 0 || exec->argv.len == 0) return UNKNOWN_PROGRAM;
    for (size_t i = 0; i < COUNT(FOLDERS); i++)
        if (starts(exec->path, FOLDERS[i]))
            return judge_arguments(from(exec->path, strlen(FOLDERS[i])), exec->argv.ptr + 1, exec->argv.len - 1);
    return UNKNOWN_PROGRAM;
}

static bool is_literal(portcullis_policy_types_word_t word) { return word.kind == PORTCULLIS_POLICY_TYPES_WORD_KIND_LITERAL; }

static refusal judge_command(const portcullis_policy_types_command_t *command)
{
    enum { ARGS = 512 };
    text args[ARGS];
    if (command->assignments.len > 0) return (refusal){"assignment", "variables are not set for commands", "allowed"};
    for (size_t i = 0; i < command->redirects.len; i++) {
        portcullis_policy_types_redirect_t redirect = command->redirects.ptr[i];
        bool writes = redirect.kind == PORTCULLIS_POLICY_TYPES_REDIRECT_KIND_WRITE || redirect.kind == PORTCULLIS_POLICY_TYPES_REDIRECT_KIND_APPEND;
        if (!writes || !is_literal(redirect.target) || !is(redirect.target.text, "/dev/null"))
            return (refusal){"redirect", "output goes to the terminal or to /dev/null", "COMMAND > /dev/null"};
    }
    if (command->words.len == 0 || command->kind == PORTCULLIS_POLICY_TYPES_COMMAND_KIND_FUNCTION) return ALLOWED;
    portcullis_policy_types_word_t name = command->words.ptr[0];
    if (!is_literal(name)) return (refusal){"dynamic-name", "the name of the command is only known when it runs", "allowed"};
    if (command->kind == PORTCULLIS_POLICY_TYPES_COMMAND_KIND_BUILTIN) {
        for (size_t i = 0; i < COUNT(BUILTINS); i++)
            if (is(name.text, BUILTINS[i])) return ALLOWED;
        return (refusal){"builtin", "this built-in is not allowed", "allowed"};
    }
    size_t count = command->words.len - 1;
    if (count > ARGS) return (refusal){"length", "there are too many arguments", "allowed"};
    bool known = true;
    for (size_t i = 0; i < count; i++) {
        args[i] = command->words.ptr[i + 1].text;
        known = known && is_literal(command->words.ptr[i + 1]);
    }
    for (size_t i = 0; i < COUNT(COMMANDS); i++)
        if (is(name.text, COMMANDS[i].name)) return known ? judge_arguments(name.text, args, count) : ALLOWED;
    return UNKNOWN_PROGRAM;
}

/* A line is judged for the operator, before anything runs: the first refusal refuses the whole. Every exec is asked again. */
static refusal judge_line(const portcullis_policy_types_line_t *line)
{
    for (size_t i = 0; i < line->commands.len; i++) {
        refusal answer = judge_command(&line->commands.ptr[i]);
        if (answer.reason) return answer;
    }
    return ALLOWED;
}

void exports_policy_judge(policy_session_t *session, policy_subject_t *subject, policy_verdict_t *ret)
{
    refusal answer = {"subject", "an unknown kind of subject", ""};
    switch (subject->tag) {
    case PORTCULLIS_POLICY_TYPES_SUBJECT_EXEC: answer = judge_exec(&subject->val.exec); break;
    case PORTCULLIS_POLICY_TYPES_SUBJECT_LINE: answer = judge_line(&subject->val.line); break;
    case PORTCULLIS_POLICY_TYPES_SUBJECT_FILE: answer = (refusal){"file", "files are not transferred in this action", ""}; break;
    case PORTCULLIS_POLICY_TYPES_SUBJECT_FORWARD: answer = (refusal){"forward", "connections are not forwarded in this action", ""}; break;
    }
    memset(ret, 0, sizeof *ret);
    if (answer.reason) {
        ret->tag = PORTCULLIS_POLICY_TYPES_VERDICT_DENY;
        policy_string_dup(&ret->val.deny.rule, answer.rule);
        policy_string_dup(&ret->val.deny.reason, answer.reason);
        policy_string_dup(&ret->val.deny.hint, answer.hint);
    } else {
        /* all zero: confined as the session is, and no further */
        ret->tag = PORTCULLIS_POLICY_TYPES_VERDICT_ALLOW;
    }
    policy_session_free(session);
    policy_subject_free(subject);
}

static void *allocate(size_t count, size_t size)
{
    void *list = calloc(count, size);
    if (list == NULL) abort();
    return list;
}

void exports_policy_describe(policy_description_t *ret)
{
    policy_string_t *roles = allocate(1, sizeof *roles);
    policy_string_dup(&ret->name, "policy-name");
    policy_string_dup(&ret->version, "0.1.0");
    policy_string_dup(&ret->action, "INFRA_DIAG");
    policy_string_dup(&roles[0], "cps");
    ret->roles.ptr = roles;
    ret->roles.len = 1;
    /* the verdict depends on the subject alone */
    ret->pure = true;
    portcullis_policy_types_allowed_form_t *allowed = allocate(COUNT(COMMANDS), sizeof *allowed);
    for (size_t i = 0; i < COUNT(COMMANDS); i++) {
        policy_string_dup(&allowed[i].form, COMMANDS[i].form);
        policy_string_dup(&allowed[i].note, COMMANDS[i].note);
    }
    ret->allowed.ptr = allowed;
    ret->allowed.len = COUNT(COMMANDS);
}
