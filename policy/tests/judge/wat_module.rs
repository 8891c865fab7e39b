//! Components from WebAssembly text: a core module with the ABI's exports, wrapped as the real guests are.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A module to be made: what it answers, and what else it does.
pub(crate) struct WatModule {
    /// Body of `judge`; leaves the address of its answer.
    pub judge: &'static str,
    /// More definitions: imports go to `imports`.
    pub extra: &'static str,
    /// Imports, which have to come first.
    pub imports: &'static str,
    /// Pages of memory.
    pub pages: u32,
    /// The action that `describe` names.
    pub action: &'static str,
    /// Body of `describe`; leaves the address of the description.
    pub describe: &'static str,
    /// The interface that it is built for.
    pub wit: &'static str,
    /// How many of `cps` and `host` it says that it is for.
    pub roles: u32,
}

/// The interface as it is now.
pub(crate) const WIT: &str = include_str!("../../../sdk/wit/policy.wit");
/// The first version of it.
pub(crate) const WIT_1_0_0: &str = include_str!("../../../sdk/wit/1.0.0/policy.wit");

/// Allows everything.
pub(crate) const ALLOW: WatModule = WatModule { judge: "i32.const 2048", extra: "", imports: "", pages: 64, action: "INFRA_DIAG", describe: "i32.const 1024", wit: WIT, roles: 1 };

/// Denies everything by the rule `no`, at [`DENY_AT`].
pub(crate) const DENY: &str = "i32.const 2304";

impl WatModule {
    /// The core module's text. Addresses: 1024 the description, 2048 an allow, 2304 a deny, 4096 texts, 65536 the heap.
    fn text(&self) -> String {
        let Self { judge, extra, imports, pages, action, describe, roles, wit: _ } = self;
        let length = action.len();
        format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (global $heap (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
                (local $at i32)
                global.get $heap local.get $align i32.add i32.const 1 i32.sub
                i32.const 0 local.get $align i32.sub i32.and local.tee $at
                local.get $new i32.add global.set $heap
                local.get $at)
            (func (export "describe") (result i32) {describe})
            (func (export "judge") (param $question i32) (result i32) {judge})
            ;; name, version, action, roles, pure, allowed
            (data (i32.const 1024) "\00\10\00\00\01\00\00\00" "\00\10\00\00\01\00\00\00" "\10\10\00\00{length}\00\00\00" "\60\10\00\00\0{roles}\00\00\00" "\01\00\00\00" "\00\00\00\00\00\00\00\00")
            (data (i32.const 4096) "T")
            (data (i32.const 4112) "{action}")
            (data (i32.const 4176) "cps")
            (data (i32.const 4180) "host")
            (data (i32.const 4192) "\50\10\00\00\03\00\00\00" "\54\10\00\00\04\00\00\00")
            ;; allow: everything none, session, judged and empty is zero
            (data (i32.const 2048) "\00")
            ;; deny: rule, reason, hint
            (data (i32.const 2304) "\01\00\00\00\00\00\00\00" "\20\11\00\00\02\00\00\00" "\20\11\00\00\02\00\00\00" "\00\00\00\00\00\00\00\00")
            (data (i32.const 4384) "no")
            {extra})"#,
            length = format_args!("\\{length:02x}")
        )
    }

    /// The component's bytes.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut core = wat::parse_str(self.text()).unwrap();
        let mut resolve = Resolve::default();
        let package = resolve.push_str("policy.wit", self.wit).unwrap();
        let world = resolve.select_world(&[package], Some("policy")).unwrap();
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&core).unwrap().validate(true).encode().unwrap()
    }
}

/// A component that is written as one.
pub(crate) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}
