//! Files that hold one identifier: `/etc/machine-id`, `boot_id`, `product_uuid`.

/// A machine ID: 32 hexadecimal digits (machine-id(5)). `None` for anything else, such as `uninitialized`.
#[must_use]
pub fn machine_id(file: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(file.trim_ascii()).ok()?;
    (text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

/// A UUID: 36 characters, in groups of 8, 4, 4, 4 and 12 hexadecimal digits. `None` for anything else.
#[must_use]
pub fn uuid(file: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(file.trim_ascii()).ok()?;
    let mut groups = text.split('-');
    let is_uuid = [8, 4, 4, 4, 12].into_iter().all(|len| {
        groups
            .next()
            .is_some_and(|group| group.len() == len && group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    (is_uuid && groups.next().is_none()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_identifier_of_its_form_is_one() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(machine_id(format!("{id}\n").as_bytes()), Some(id));
        for wrong in ["", "uninitialized\n", &id[1..], &format!("{id}0"), &format!("{}g", &id[1..]), "\0"] {
            assert_eq!(machine_id(wrong.as_bytes()), None, "{wrong:?}");
        }
        let id = "03000200-0400-0500-0006-000700080009";
        assert_eq!(uuid(format!("{id}\n").as_bytes()), Some(id));
        for wrong in ["", "Not Settable\n", &id[1..], &format!("{id}-"), &id.replace('-', "0"), "--"] {
            assert_eq!(uuid(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(uuid(b"\xff"), None);
    }
}
