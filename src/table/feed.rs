//! One pass over the table: every family of every container into a sink.

use super::{
    BaseLabels, Page, Row, Selection,
    family::Getter,
    row::{ContainerSink, Shown, Sink},
};

/// Feeds the selected families of some containers to a sink, family by family, each with all its containers.
/// [`super::OwnSeries::feed`] feeds the exporter's own series.
pub fn feed<'a, Kept>(
    selection: &Selection,
    containers: impl Iterator<Item = Shown<'a, Kept>> + Clone,
    page: &Page<'_>,
    sink: &mut impl ContainerSink<Kept>,
) {
    let core_only = selection.is_core_only();
    for family in selection.families() {
        sink.begin(&family.heading);
        match family.getter {
            Getter::Machine(value) => (sink as &mut dyn Sink).int(value(page.machine)),
            Getter::Container(put) => {
                for Shown { container, is_live, kept } in containers.clone() {
                    if is_live || family.of_stopped {
                        sink.container(BaseLabels::of(container, core_only), kept);
                        put(Row { container, page }, sink);
                    }
                }
            }
        }
        sink.end();
    }
}
