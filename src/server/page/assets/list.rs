//! The files of the page that are in the binary, with their content types. The build script reads this list.

/// JavaScript. The modules import each other by name.
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The name of each file in this folder that is served below `assets/`, and its type.
pub(crate) const ASSETS: &[(&str, &str)] = &[
    ("page.css", "text/css; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
    ("page.js", SCRIPT),
    ("chart.js", SCRIPT),
    ("detail.js", SCRIPT),
    ("dom.js", SCRIPT),
    ("events.js", SCRIPT),
    ("format.js", SCRIPT),
    ("live.js", SCRIPT),
    ("query.js", SCRIPT),
    ("row.js", SCRIPT),
    ("spark.js", SCRIPT),
    ("state.js", SCRIPT),
    ("table.js", SCRIPT),
];
