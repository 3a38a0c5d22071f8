//! The files of the page that are in the binary, with their content types. The build script reads this list.

/// The name of each file in this folder that is served below `assets/`, and its type.
pub(crate) const ASSETS: &[(&str, &str)] = &[
    ("page.css", "text/css; charset=utf-8"),
    ("page.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
];
