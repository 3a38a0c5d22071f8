//! The Docker client alone, without the rest of the program, and the news that it sent.

use docker_stat_prom::{
    metadata::{Docker, DockerHost, Filter, Labels, Metadata, News},
    parse::ContainerId,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

pub struct Following {
    told: Arc<Mutex<Vec<News>>>,
    pub lookups: UnboundedSender<ContainerId>,
    cut: Arc<AtomicUsize>,
}

impl Following {
    pub fn start(host: DockerHost) -> Self {
        Self::filtered(host, Filter::default(), &["*"])
    }

    /// Follows until the test's process ends.
    pub fn filtered(host: DockerHost, filter: Filter, labels: &[&str]) -> Self {
        let labels: Vec<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        let labels = Labels::new(&labels, &["TIER".to_owned()]).unwrap();
        let (told, cut): (Arc<Mutex<Vec<News>>>, Arc<AtomicUsize>) = <_>::default();
        let (lookups, wanted) = unbounded_channel();
        let (news, count) = (Arc::clone(&told), Arc::clone(&cut));
        let docker = Docker::new(host, labels, filter, move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(docker.follow(wanted, &|event| news.lock().unwrap().push(event.news)));
        });
        Self { told, lookups, cut }
    }

    pub fn news(&self) -> Vec<News> {
        self.told.lock().unwrap().clone()
    }

    pub fn count(&self, is_it: impl Fn(&News) -> bool) -> usize {
        self.told.lock().unwrap().iter().filter(|news| is_it(news)).count()
    }

    /// How many labels were cut.
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }

    /// The last metadata of a container; `None` if it has been removed since.
    pub fn last(&self, id: &str) -> Option<Arc<Metadata>> {
        self.told.lock().unwrap().iter().rev().find_map(|news| match news {
            News::Changed(metadata) if metadata.id.as_str() == id => Some(Some(Arc::clone(metadata))),
            News::Removed(gone) | News::Unknown(gone) if gone.as_str() == id => Some(None),
            _ => None,
        })?
    }

    /// The IDs of the last complete list.
    pub fn listed(&self) -> Option<Vec<String>> {
        self.told.lock().unwrap().iter().rev().find_map(|news| match news {
            News::Listed(ids) => Some(ids.iter().map(|id| id.as_str().to_owned()).collect()),
            _ => None,
        })
    }

    /// Waits until the daemon's list has been reported this many times.
    pub fn connected(&self, times: usize) {
        super::eventually("it is connected", || {
            (self.count(|news| matches!(news, News::Connected)) >= times).then_some(())
        });
    }

    /// Waits until the last metadata of a container fulfils a condition.
    pub fn eventually(&self, id: &str, what: &str, is_so: impl Fn(&Metadata) -> bool) -> Arc<Metadata> {
        super::eventually(what, || self.last(id).filter(|metadata| is_so(metadata)))
    }
}
