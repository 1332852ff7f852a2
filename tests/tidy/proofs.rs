//! Every `unsafe` has its proof, or says what its caller must prove.

use super::source::{Source, is_name};

/// What follows the word `unsafe`.
enum Kind {
    /// A block or an implementation: it claims, and the claim is proved above it.
    Claim,
    /// A function or a trait: it demands, and the documentation says what.
    Demand,
    /// A type, or a declaration whose demands are written elsewhere.
    Neither,
}

pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for offset in source.words("unsafe") {
        let line = source.line(offset);
        let above = source.comment_above(line).unwrap_or_default();
        let proof = above.contains("SAFETY:");
        match kind(source, offset) {
            Kind::Claim if !proof => {
                findings.push(source.finding(line, "no `// SAFETY:` directly above this `unsafe`"));
            }
            Kind::Demand if !proof && !above.contains("# Safety") => {
                findings.push(source.finding(
                    line,
                    "no `# Safety` section above: what must the caller see to?",
                ));
            }
            _ => {}
        }
    }
    findings
}

fn kind(source: &Source, offset: usize) -> Kind {
    let rest = source.code[offset + "unsafe".len()..].trim_start();
    if rest.starts_with("trait") {
        return Kind::Demand;
    }
    // That no other symbol has this name, the linker and the committed list of symbols see to.
    if rest.starts_with("(no_mangle)") {
        return Kind::Neither;
    }
    // The insides of text are spaces by now: `extern "   " fn`.
    let after_extern = rest
        .strip_prefix("extern")
        .map(|rest| rest.trim_start_matches(['"', ' ']));
    let Some(after) = after_extern.unwrap_or(rest).strip_prefix("fn") else {
        return Kind::Claim;
    };
    if !after.trim_start().starts_with(is_name) {
        return Kind::Neither; // `unsafe fn(u8)` is the type of a pointer
    }
    // A method of a trait, or of a foreign block, inherits what the trait or the foreign documentation demands.
    let inherits = source.around(offset).last().is_some_and(|head| {
        let implements = head.starts_with("impl") || head.starts_with("unsafe impl");
        implements && head.contains(" for ") || head.contains("extern \"")
    });
    if inherits {
        Kind::Neither
    } else {
        Kind::Demand
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        check(&Source::new("src/a.rs", text)).len()
    }

    #[test]
    fn proved_and_demanded_is_fine() {
        assert_eq!(
            findings("// SAFETY: it is ours.\nlet a =\n    unsafe { b() };"),
            0
        );
        assert_eq!(
            findings("// SAFETY: no state.\n#[cfg(x)]\nunsafe impl Send for A {}"),
            0
        );
        assert_eq!(
            findings(
                "/// Reads.\n///\n/// # Safety\n/// `p` is valid.\n#[inline]\npub unsafe fn read(p: *const u8) {}"
            ),
            0
        );
        assert_eq!(
            findings("impl A for B {\n    unsafe fn read() {}\n}\ntype F = unsafe fn(u8);"),
            0
        );
        assert_eq!(
            findings(
                "// SAFETY: as in the manual.\nunsafe extern \"C\" {\n    unsafe fn read();\n}"
            ),
            0
        );
        assert_eq!(
            findings("// unsafe { } in a comment, \"unsafe\"\nlet a = \"unsafe {\";"),
            0
        );
    }

    #[test]
    fn what_is_not_proved_is_found() {
        assert_eq!(findings("let a = unsafe { b() };"), 1);
        assert_eq!(
            findings("// SAFETY: of another.\nlet z = 1;\nlet a = unsafe { b() };"),
            1
        );
        assert_eq!(findings("// It is fine.\nunsafe impl Send for A {}"), 1);
        assert_eq!(
            findings("/// Reads.\npub unsafe fn read(p: *const u8) {}"),
            1
        );
        assert_eq!(
            findings("/// Reads.\npub unsafe extern \"C\" fn read(p: *const u8) {}"),
            1
        );
        assert_eq!(findings("impl A {\n    unsafe fn read() {}\n}"), 1);
        assert_eq!(findings("unsafe trait T {}"), 1);
    }
}
