//! One pass over the table: every family of every container into a sink.

use super::{
    BaseLabels, Label, LabelValue, Number, Page, Row, Selection,
    family::Getter,
    getters::machine_labels,
    row::{ContainerSink, Shown},
};

/// Feeds the selected families of some containers to a sink, family by family, each with all its containers.
/// The host may be one of them; it has only the families that are also of the host.
/// [`super::OwnSeries::feed`] feeds the exporter's own series.
pub fn feed<'a, Kept>(
    selection: &Selection,
    containers: impl Iterator<Item = Shown<'a, Kept>> + Clone,
    page: &Page<'_>,
    sink: &mut impl ContainerSink<Kept>,
) {
    let core_only = selection.is_core_only();
    let mut labels = [(Label::MachineId, LabelValue::Text("")); 3];
    for family in selection.families() {
        sink.begin(&family.heading);
        match family.getter {
            Getter::Machine(value) => {
                if let Some(value) = value(page.machine) {
                    sink.sample(machine_labels(page.machine, &mut labels), Number::Int(value));
                }
            }
            Getter::Page(value) => sink.integer(value(page)),
            Getter::Container(put) => {
                for Shown { container, is_live, kept } in containers.clone() {
                    let is_served =
                        if container.is_host() { family.of_host } else { is_live || family.of_stopped };
                    if is_served {
                        sink.container(BaseLabels::of(container, core_only), kept);
                        put(Row { container, page }, sink);
                    }
                }
            }
        }
        sink.end();
    }
}
