//! A profile as its author writes it. The doc comments are what editors show: the JSON Schema is made of them.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Text, and where it stands.
pub(super) type Text = Spanned<String>;

/// A policy for one action, from which `portcullis policy build` makes a module.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Profile {
    /// What the module is, and what it is for.
    pub(super) module: Module,
    /// Sets of paths by name; `@name` stands for one. A path is absolute or begins with {home}, and stands for everything below it.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Vec<String>>"))]
    pub(super) paths: BTreeMap<String, Vec<Text>>,
    /// Times of the week by name.
    #[serde(default)]
    pub(super) window: BTreeMap<String, Window>,
    /// What bash does itself.
    #[serde(default)]
    pub(super) shell: Shell,
    /// File transfer by SFTP; without it there is none.
    #[serde(default)]
    pub(super) files: Files,
    /// Forwarded connections; without it there are none.
    #[serde(default)]
    pub(super) forward: Forward,
    /// Programs. The first row that fits decides; what no row fits is denied.
    #[serde(default)]
    pub(super) command: Vec<Command>,
}

/// What the module is, and what it is for.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Module {
    /// Its name: at most 64 bytes.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) name: Text,
    /// Its version, as you number it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) version: Text,
    /// The action that it judges: INFRA_DIAG.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) action: Text,
    /// The roles of targets that it judges: cps, host, cell, generic.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) roles: Vec<Text>,
    /// The folders that programs may lie in, exactly. Without it: /usr/bin, /usr/sbin, /bin, /sbin.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) programs: Option<Vec<Text>>,
    /// What operators are told to try when nothing is nearer. Without it: allowed.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) help: Option<Text>,
}

/// A time of the week.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Window {
    /// The days on which it begins: mon-fri, sun. Without it: every day.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) days: Vec<Text>,
    /// When it begins: 08:00.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) from: Text,
    /// When it is over: 18:00. Before `from`: on the next day. The same: after a whole day.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) to: Text,
    /// How far its clock is ahead of UTC: UTC, +02:00, -03:30. Summer time is not followed.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) zone: Text,
}

/// What bash does itself: the line is the only question about it.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Shell {
    /// Built-ins that are allowed. Without it: those that neither run nor load anything.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) builtins: Option<Vec<Text>>,
    /// Variables that a line may set, * and ? standing for other characters. Without it: LANG, LC_* and TZ.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) variables: Option<Vec<Text>>,
    /// Paths and sets that a line may write to by > and >>.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) redirects: Vec<Text>,
}

/// File transfer by SFTP.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Files {
    /// Paths and sets whose files may be listed and fetched.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) read: Vec<Text>,
    /// Paths and sets whose files may be listed, fetched and changed.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) write: Vec<Text>,
}

/// Forwarded connections.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Forward {
    /// Where they may lead, as HOST:PORT; the host may have * and ? in it, the port may be * or {number:8000-8099}.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) allow: Vec<Text>,
}

/// A row about programs. Without `deny` and `ask` it allows.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Command {
    /// Names of the program's file, by which alone it may be called; or canonical paths of programs outside of the folders.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) names: Vec<Text>,
    /// The rule's name in refusals, in a-z, 0-9 and -. Without it: the first name.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) rule: Option<Text>,
    /// The form of the command, for people. Without it: made of names, options and operands.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) form: Option<Text>,
    /// What it is for, for people.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) note: Option<Text>,
    /// A command that is allowed, for those that are not. Without it: the form.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) hint: Option<Text>,
    /// Allow the program to be a script; takes `arguments = "any"`.
    #[serde(default)]
    pub(super) script: bool,
    /// "any": any arguments. Without it: what options, operands and subcommands say, and none without those.
    #[cfg_attr(test, schemars(with = "Option<AnyArguments>"))]
    pub(super) arguments: Option<Spanned<AnyArguments>>,
    /// Options: -a, -la (both), -n VALUE, -i[VALUE], --all, --lines=VALUE, --color[=VALUE]; VALUE is a pattern.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) options: Option<Vec<Text>>,
    /// Take options before the first operand only, for programs that run another.
    #[serde(default)]
    pub(super) options_first: bool,
    /// Shapes of the operands, each a list of patterns between blanks: "status *", "list-units", "@logs...".
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) operands: Option<Vec<Text>>,
    /// Subcommands, each with options and operands of its own; the row's options then stand before them.
    #[serde(default)]
    pub(super) subcommand: Vec<Subcommand>,
    /// Names of windows; it holds in any of them.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) when: Vec<Text>,
    /// How often it may be allowed in one session; rows of the same rule count together.
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub(super) at_most: Option<Spanned<u32>>,
    /// Refuse it, for this reason.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) deny: Option<Text>,
    /// Have people asked.
    #[cfg_attr(test, schemars(with = "Option<Ask>"))]
    pub(super) ask: Option<Spanned<Ask>>,
    /// The user to run it as.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) run_as: Option<Text>,
    /// What the kernel is to enforce for it and its children.
    #[cfg_attr(test, schemars(with = "Option<Confine>"))]
    pub(super) confine: Option<Spanned<Confine>>,
}

/// Any arguments.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum AnyArguments {
    Any,
}

/// A subcommand, and what may follow it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Subcommand {
    /// Its names.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) names: Vec<Text>,
    /// Its options.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) options: Vec<Text>,
    /// Shapes of its operands. Without it: none.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) operands: Option<Vec<Text>>,
}

/// A question to people.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ask {
    /// What they are asked; may have {operator}, {target}, {command} and other placeholders in it.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) prompt: Text,
    /// Who may answer. Without it: the request's approvers.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) approvers: Vec<Text>,
    /// How long they have: 10m.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) expires: Text,
}

/// What the kernel is to enforce for a program and its children. A node that cannot, denies.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Confine {
    /// Paths and sets that it may read. Without it: what the jail shows.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) read: Option<Vec<Text>>,
    /// Paths and sets that it may write. Without it: what the jail lets be written.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) write: Option<Vec<Text>>,
    /// Paths and sets that it may execute. Without it: what the jail lets be executed.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) execute: Option<Vec<Text>>,
    /// The network: session (as the session has it) or none.
    #[cfg_attr(test, schemars(with = "Option<Network>"))]
    pub(super) network: Option<Spanned<Network>>,
    /// TCP ports that it may connect to, and nothing else of the network.
    #[cfg_attr(test, schemars(with = "Option<Vec<u16>>"))]
    pub(super) ports: Option<Spanned<Vec<u16>>>,
    /// Its children: judged one by one, trusted (recorded, not asked about), or forbidden. Without it: judged.
    pub(super) children: Option<Children>,
    /// Capabilities, for a run-as root: CAP_NET_RAW.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) capabilities: Vec<Text>,
    /// Variables that it may keep. Without it: all.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) environment: Option<Vec<Text>>,
    /// How long it may run: 30s, at most 7d.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) time_limit: Option<Text>,
}

/// The network of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum Network {
    Session,
    None,
}

/// The children of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum Children {
    Judged,
    Trusted,
    Forbidden,
}
