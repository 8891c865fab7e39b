//! The signature of a policy admin over a module: made here with a key file, or by ssh-keygen elsewhere. What comes out is
//! the same: `ssh-keygen -Y sign -n policy@portcullis -f KEY MODULE.wasm` makes it, and `-Y verify` checks it.

use super::super::CliError;
use super::passphrase;
use anyhow::Context as _;
use portcullis_model::policy::{SIGNATURE_MAX, SIGNATURE_NAMESPACE};
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use std::io::Read as _;
use std::path::Path;

/// Most bytes of a key's file.
const KEY_FILE_MAX: u64 = 64 * 1024;

fn read(path: &Path, most: u64, option: &str) -> Result<String, CliError> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(path)?.take(most + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().with_context(|| format!("{option} {}: cannot be read", path.display()))?;
    if text.len() as u64 > most { Err(CliError::Usage(format!("{option} {}: over {most} bytes", path.display()))) } else { Ok(text) }
}

/// A signature that was made before.
pub(super) fn made(path: &Path) -> Result<String, CliError> {
    read(path, SIGNATURE_MAX as u64, "--signature")
}

/// Signs with a key file; asks for its passphrase when it has one.
pub(super) fn with_key(path: &Path, component: &[u8]) -> Result<String, CliError> {
    let shown = path.display();
    let elsewhere = format!("let ssh-keygen sign: ssh-keygen -Y sign -n {SIGNATURE_NAMESPACE} -f {shown} MODULE.wasm, and give --signature MODULE.wasm.sig");
    let text = read(path, KEY_FILE_MAX, "--key")?;
    if !text.contains("PRIVATE KEY") {
        // ssh-keygen takes a public key when the private one is in an agent
        return Err(CliError::Usage(format!("--key {shown}: not a private key in OpenSSH's form; with a key in an agent, {elsewhere}")));
    }
    let key = PrivateKey::from_openssh(&text).map_err(|error| CliError::Usage(format!("--key {shown}: {error}; {elsewhere}")))?;
    let key = if key.is_encrypted() {
        let passphrase = passphrase::ask(&format!("Passphrase of {shown}: ")).with_context(|| format!("--key {shown}: it has a passphrase, and there is no terminal to ask for it"))?;
        key.decrypt(&passphrase).map_err(|_| anyhow::anyhow!("--key {shown}: this is not its passphrase"))?
    } else {
        key
    };
    let signature = key.sign(SIGNATURE_NAMESPACE, HashAlg::Sha512, component).map_err(|error| CliError::Usage(format!("--key {shown}: {error}; {elsewhere}")))?;
    Ok(signature.to_pem(LineEnding::LF).map_err(|error| anyhow::anyhow!("--key {shown}: {error}"))?)
}
