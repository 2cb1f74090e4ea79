//! `memory.numa_stat`: the pages of a cgroup on each NUMA node.

use plimsoll_model::{DetailField, DetailPass};

use super::{number, words};

/// The kinds of pages that are shown; cAdvisor has the same. `total` is their sum, and what else v2 tells is part of one of
/// them or no memory.
const KINDS: [&str; 3] = ["file", "anon", "unevictable"];

/// Of v1: lines such as `anon=374 N0=300 N1=74`, in pages. With the prefix `hierarchical_`, the cgroups below count too.
pub fn v1(bytes: &[u8], pass: &mut DetailPass<'_>) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        let Some((key, _)) = words.next().and_then(value_of) else { continue };
        let (scope, kind) = match key.strip_prefix(b"hierarchical_") {
            Some(kind) => ("hierarchy", kind),
            None => ("container", key),
        };
        nodes(words, kind, scope, 1, pass);
    }
}

/// Of v2: lines such as `anon N0=1228800 N1=303104`, in bytes, the cgroups below included.
pub fn v2(bytes: &[u8], page_size: u64, pass: &mut DetailPass<'_>) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut words = words(line);
        if let Some(kind) = words.next() {
            nodes(words, kind, "hierarchy", page_size.max(1), pass);
        }
    }
}

fn nodes<'a>(
    words: impl Iterator<Item = &'a [u8]>,
    kind: &[u8],
    scope: &str,
    unit: u64,
    pass: &mut DetailPass<'_>,
) {
    let Some(kind) = KINDS.into_iter().find(|known| known.as_bytes() == kind) else { return };
    for (node, value) in words.filter_map(value_of) {
        let node = node.strip_prefix(b"N").filter(|node| number(node).is_some());
        let node = node.and_then(|node| std::str::from_utf8(node).ok());
        if let (Some(node), Some(value)) = (node, number(value)) {
            pass.set(DetailField::NumaPages, &[kind, scope, node], value / unit);
        }
    }
}

/// The parts of `key=value`.
fn value_of(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = word.iter().position(|byte| *byte == b'=')?;
    Some((&word[..equals], &word[equals + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::Details;

    fn told(details: &Details) -> Vec<(String, u64)> {
        details.rows().iter().map(|row| (row.labels.join(" "), row.value)).collect()
    }

    #[test]
    fn pages_by_kind_scope_and_node() {
        let v1_text = "total=44611 N0=32631 N1=7501\nfile=44428 N0=32614 N1=7335\nanon=183 N0=17 N1=166\nunevictable=0 N0=0 N1=0\n\
                       hierarchical_total=768133 N0=509113 N1=138887\nhierarchical_file=722017 N0=496516 N1=119997\n\
                       hierarchical_anon=46096 N0=12597 N1=18890\nhierarchical_unevictable=20 N0=0 N1=20\n";
        let mut details = Details::default();
        v1(v1_text.as_bytes(), &mut details.refill());
        let expected = [
            ("file container 0", 32614),
            ("file container 1", 7335),
            ("anon container 0", 17),
            ("anon container 1", 166),
            ("unevictable container 0", 0),
            ("unevictable container 1", 0),
            ("file hierarchy 0", 496_516),
            ("file hierarchy 1", 119_997),
            ("anon hierarchy 0", 12597),
            ("anon hierarchy 1", 18890),
            ("unevictable hierarchy 0", 0),
            ("unevictable hierarchy 1", 20),
        ];
        assert_eq!(told(&details), expected.map(|(labels, value)| (labels.to_owned(), value)));

        let v2_text = "anon N0=1228800 N1=303104\nfile N0=8192 N1=0\nkernel_stack N0=16384 N1=0\nfile_mapped N0=4096 N1=0\n\
                       unevictable N0=0 N1=4096\nworkingset_refault_anon N0=3 N1=4\n";
        v2(v2_text.as_bytes(), 4096, &mut details.refill());
        let expected = [
            ("anon hierarchy 0", 300),
            ("anon hierarchy 1", 74),
            ("file hierarchy 0", 2),
            ("file hierarchy 1", 0),
            ("unevictable hierarchy 0", 0),
            ("unevictable hierarchy 1", 1),
        ];
        assert_eq!(told(&details), expected.map(|(labels, value)| (labels.to_owned(), value)));
    }

    #[test]
    fn what_is_no_node_is_passed_over() {
        let mut details = Details::default();
        for text in ["anon=1 N=1 Nx=2 M0=3 N0= N1=x\n", "anon\n=1 N0=1\n", "anon=\u{e4} N0"] {
            v1(text.as_bytes(), &mut details.refill());
            assert_eq!(told(&details), [], "{text:?}");
            v2(text.as_bytes(), 0, &mut details.refill());
            assert_eq!(told(&details), [], "{text:?}");
        }
    }
}
