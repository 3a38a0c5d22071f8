//! Each action, with its odd cases. What is expected is what Prometheus documents and does.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn labels(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(' ').filter(|pair| !pair.is_empty());
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut labels: Vec<_> = pairs.map(|text| pair(text.split_once('=').unwrap())).collect();
    labels.sort();
    labels
}

/// A rule from `key=value` lines; `source` is a list.
fn draft(text: &str) -> Draft {
    let mut draft = Draft::default();
    for (key, value) in text.split(' ').filter_map(|pair| pair.split_once('=')) {
        let value = value.to_owned();
        match key {
            "action" => draft.action = Some(value),
            "source" => draft.source_labels = Some(value.split(',').map(str::to_owned).collect()),
            "separator" => draft.separator = Some(value),
            "regex" => draft.regex = Some(value),
            "target" => draft.target_label = Some(value),
            "replacement" => draft.replacement = Some(value),
            "modulus" => draft.modulus = Some(value.parse().unwrap()),
            _ => unreachable!("{key}"),
        }
    }
    draft
}

fn applied(rule: &str, to: &str) -> Option<String> {
    let rule = Rule::new(draft(rule)).unwrap_or_else(|error| panic!("{rule}: {error}"));
    let mut labels = labels(to);
    let is_kept = apply(&[rule], &mut labels);
    assert!(labels.is_sorted());
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    is_kept.then(|| pairs.join(" "))
}

#[test]
fn each_action_does_what_prometheus_does() {
    for (rule, before, after) in [
        // keep and drop: the whole text must match, and a missing label is empty.
        ("action=keep source=a regex=x", "a=x", Some("a=x")),
        ("action=keep source=a regex=x", "a=xx", None),
        ("action=keep source=a regex=x|y", "a=y", Some("a=y")),
        ("action=keep source=a regex=x|y", "a=xy", None),
        ("action=keep source=a regex=", "b=1", Some("b=1")),
        ("action=keep source=a regex=.+", "b=1", None),
        ("action=drop source=__name__ regex=go_.*", "__name__=go_gc", None),
        ("action=drop source=__name__ regex=go_.*", "__name__=ago_gc", Some("__name__=ago_gc")),
        ("action=drop source=a,b regex=1;2", "a=1 b=2", None),
        ("action=drop source=a,b separator=- regex=1-2", "a=1 b=2", None),
        ("action=drop source=a,b regex=;", "c=3", None),
        ("action=DROP source=a regex=1", "a=1", None),
        // replace
        ("source=a target=b", "a=1", Some("a=1 b=1")),
        ("source=a target=b", "a=1 b=2", Some("a=1 b=1")),
        ("source=a target=a replacement=x", "a=1", Some("a=x")),
        ("source=a regex=(.)(.) target=b replacement=$2$1", "a=12", Some("a=12 b=21")),
        ("source=a regex=(.) target=b replacement=$2$1", "a=12", Some("a=12")),
        ("source=a regex=(.) target=b replacement=${1}x", "a=1", Some("a=1 b=1x")),
        ("source=a regex=(.) target=b replacement=$1x", "a=1 b=2", Some("a=1")),
        ("source=a regex=(.) target=b replacement=$$1", "a=1", Some("a=1 b=$1")),
        ("source=a regex=(.) target=b replacement=$-$", "a=1", Some("a=1 b=$-$")),
        ("source=a regex=(.) target=b replacement=${x", "a=1", Some("a=1 b=${x")),
        ("source=a regex=(.) target=b replacement=x$01", "a=1", Some("a=1 b=x")),
        ("source=a regex=(?P<n>.)z target=b replacement=$n", "a=1z", Some("a=1z b=1")),
        ("source=a regex=(?P<n>.)z target=b replacement=$0", "a=1z", Some("a=1z b=1z")),
        ("source=a regex=x target=b replacement=y", "a=z", Some("a=z")),
        // An empty value removes.
        ("target=b replacement=", "a=1 b=2", Some("a=1")),
        ("source=c target=b", "a=1 b=2", Some("a=1")),
        ("target=b replacement=x", "a=1", Some("a=1 b=x")),
        ("source=a regex=(.)z|y target=b replacement=$1", "a=y b=2", Some("a=y")),
        // The target may have variables; one that gives no label's name changes nothing.
        ("source=a regex=(.+) target=x_$1 replacement=1", "a=q", Some("a=q x_q=1")),
        ("source=a regex=(.+) target=${1} replacement=1", "a=1q", Some("a=1q")),
        ("source=__name__ regex=container_(.*) target=__name__", "__name__=container_x", Some("__name__=x")),
        ("target=__name__ replacement=", "__name__=x a=1", Some("a=1")),
        // A line break is like any character.
        ("action=keep source=a regex=1.2", "a=1\n2", Some("a=1\n2")),
        // Case
        ("action=lowercase source=a target=a", "a=Äß1X", Some("a=äß1x")),
        ("action=uppercase source=a target=b", "a=äß1x", Some("a=äß1x b=Äß1X")),
        ("action=lowercase source=c target=a", "a=1 b=2", Some("b=2")),
        // Equality
        ("action=keepequal source=a target=b", "a=1 b=1", Some("a=1 b=1")),
        ("action=keepequal source=a target=b", "a=1 b=2", None),
        ("action=dropequal source=a target=b", "a=1 b=1", None),
        ("action=dropequal source=a target=b", "a=1 b=2", Some("a=1 b=2")),
        ("action=dropequal source=c target=d", "a=1", None),
        // A part of the whole, by the hash of the joined values
        ("action=hashmod source=a target=b modulus=1000", "a=abc", Some("a=abc b=458")),
        ("action=hashmod source=a,c target=b modulus=8", "a=1 c=2", Some("a=1 b=4 c=2")),
        (
            "action=HashMod source=none target=b modulus=18446744073709551615",
            "a=1",
            Some("a=1 b=16825458760271544958"),
        ),
        // Names
        ("action=labeldrop regex=container_.*", "container_x=1 id=2", Some("id=2")),
        ("action=labeldrop regex=id|image", "id=1 identity=2 image=3", Some("identity=2")),
        ("action=labeldrop regex=.*", "id=1", None),
        ("action=labelkeep regex=__name__|i.*", "__name__=x a=1 id=2 ip=3", Some("__name__=x id=2 ip=3")),
        ("action=labelmap regex=x_(.+)", "x_a=1 x_b=2 c=3", Some("a=1 b=2 c=3 x_a=1 x_b=2")),
        ("action=labelmap regex=(a|b) replacement=${1}_", "a=1 b=2", Some("a=1 a_=1 b=2 b_=2")),
        // What was mapped is not mapped again.
        ("action=labelmap regex=(a*)b?(.*) replacement=$1", "b1=1 a2=2", Some("a=2 a2=2 b1=1")),
        ("action=labelmap regex=(a+) replacement=a${1}", "a=1", Some("a=1 aa=1")),
    ] {
        assert_eq!(applied(rule, before).as_deref(), after, "{rule} on {before}");
    }
}

#[test]
fn expressions_mean_what_they_mean_in_re2() {
    for (regex, matches, does_not) in [
        (r"\d+", "12", "١"),
        (r"\w", "a", "ä"),
        (r"\s", "\t", "\u{b}"),
        (r"\S", "\u{b}", "\t"),
        (r"[\s]", "\t", "\u{b}"),
        (r"[[a]", "[", "b"),
        (r"[^[a]", "b", "["),
        (r"[[:alpha:]_]+", "a_b", "1"),
        (r"[]a]", "]", "b"),
        (r"[^]a]", "b", "]"),
        (r"[a&&b]+", "a&b", "c"),
        (r"[a~~b]", "~", "c"),
        (r"\Qa.b\E", "a.b", "axb"),
        (r"\Qa.b\Ec+", "a.bcc", "axbc"),
        (r"\<a\>", "<a>", "a"),
        (r"(?i)abc", "aBC", "abcd"),
        (r"a|b", "a", "ab"),
        (r"^a$", "a", "aa"),
        (r"a{2,3}", "aaa", "a"),
        (r"ä+", "ää", "a"),
        (r".", "ä", "ab"),
        (r"x.*", "x", "yx"),
        (r"x|", "", "y"),
    ] {
        let rule = Rule::new(Draft {
            action: Some("keep".to_owned()),
            source_labels: Some(vec!["a".to_owned()]),
            regex: Some(regex.to_owned()),
            ..Draft::default()
        });
        let rule = rule.unwrap_or_else(|error| panic!("{error}"));
        for (text, expected) in [(matches, true), (does_not, false)] {
            let mut labels = vec![("a".to_owned(), text.to_owned()), ("b".to_owned(), "1".to_owned())];
            labels.retain(|(_, value)| !value.is_empty());
            assert_eq!(apply(std::slice::from_ref(&rule), &mut labels), expected, "{regex} on {text:?}");
        }
    }
}

#[test]
fn what_is_no_rule_is_told_so() {
    for (rule, problem) in [
        ("action=frop", "action: expected replace, keep, drop, "),
        ("action=", "action: expected replace, keep, drop, "),
        ("action=hashmod source=a target=b", "action hashmod needs a modulus above 0"),
        ("action=hashmod source=a target=b modulus=0", "action hashmod needs a modulus above 0"),
        ("action=hashmod source=a modulus=2", "action hashmod needs target_label"),
        ("action=hashmod source=a target=$1 modulus=2", "target_label: expected a label's name"),
        ("action=labeldrop regex=a modulus=2", "action labeldrop has no use for modulus"),
        ("source=a", "action replace needs target_label"),
        (
            "action=keep source=a.b",
            "source_labels: expected a label's name (letters, digits and _), found \"a.b\"",
        ),
        ("source=a target=1b", "target_label: expected a label's name (letters, digits and _), found \"1b\""),
        ("source=a target=a-$1", "target_label: expected a label's name"),
        ("source=a target=a$", "target_label: expected a label's name"),
        ("action=labelmap regex=(.+) replacement=a-$1", "replacement: expected a label's name"),
        ("action=lowercase source=a", "action lowercase needs target_label"),
        ("action=lowercase source=a target=$1", "target_label: expected a label's name"),
        ("action=lowercase source=a target=b replacement=x", "action lowercase has no use for replacement"),
        ("action=labeldrop regex=a source=a", "action labeldrop has no use for source_labels"),
        ("action=labelkeep regex=a target=a", "action labelkeep has no use for target_label"),
        ("action=labeldrop regex=a separator=;", "action labeldrop has no use for separator"),
        ("action=keepequal source=a target=b regex=x", "action keepequal has no use for regex"),
        ("action=keep source=a regex=(", "regex: \"(\" is not understood: "),
        ("action=keep source=a regex=a**b\\", "is not understood: "),
        ("action=keep source=a regex=\\pL", "Unicode character classes are not supported"),
        ("action=keep source=a regex=(?i)ä", "beyond ASCII"),
        ("action=keep source=a regex=(?=a)", "look-around is not supported"),
        ("action=keep source=a regex=((a{1000}){1000}){1000}", "is not understood: "),
    ] {
        let error = Rule::new(draft(rule)).map(|_| rule).unwrap_err().to_string();
        assert!(error.contains(problem) && !error.contains('\n'), "{rule}: {error}");
    }
}

#[test]
fn rules_are_applied_in_order_and_the_first_drop_ends_it() {
    let rules: Vec<_> = ["source=a target=b", "action=drop source=b regex=1", "target=c replacement=x"]
        .into_iter()
        .map(|text| Rule::new(draft(text)).unwrap())
        .collect();
    assert!(!apply(&rules, &mut labels("a=1")));
    let mut kept = labels("a=2");
    assert!(apply(&rules, &mut kept));
    assert_eq!(kept, labels("a=2 b=2 c=x"));
    assert!(!apply(&[], &mut Vec::new()));
}

#[test]
fn an_error_shows_only_the_beginning_of_a_long_text() {
    let long = "(".repeat(100_000);
    for (key, action) in [("regex", "keep"), ("target", "lowercase"), ("source", "keep"), ("action", "")] {
        let action = if action.is_empty() { &long } else { action };
        let error = Rule::new(draft(&format!("action={action} {key}={long}"))).map(|_| key).unwrap_err();
        let text = error.to_string();
        assert!(text.chars().count() < 400 && text.contains("((…"), "{key}: {text}");
    }
}
