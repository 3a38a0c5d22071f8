//! A TCP port, with or without TLS, in front of a Unix socket.

use super::fixture;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect()
}

/// A server with the recorded certificate. It accepts only clients with a certificate from the recorded
/// authority.
pub fn mutual_tls() -> TlsAcceptor {
    let tls = fixture("tls");
    let (certificate, key) = (tls.join("ec-chain.crt"), tls.join("ec-sec1.key"));
    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    for root in certificates(&tls.join("ca.crt")) {
        roots.add(root).unwrap();
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&certificate), PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Forwards everything to `socket` until the test process ends.
pub fn start(socket: PathBuf, tls: Option<TlsAcceptor>) -> SocketAddr {
    let (address, wanted) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (socket, tls) = (socket.clone(), tls.clone());
                tokio::spawn(async move {
                    // Clients that are refused or go away do not matter here.
                    let _ended = pass(stream, &socket, tls).await;
                });
            }
        });
    });
    wanted.recv().unwrap()
}

async fn pass(mut stream: TcpStream, socket: &Path, tls: Option<TlsAcceptor>) -> std::io::Result<()> {
    match tls {
        None => {
            copy_bidirectional(&mut stream, &mut UnixStream::connect(socket).await?).await?;
        }
        Some(tls) => {
            let mut stream = tls.accept(stream).await?;
            copy_bidirectional(&mut stream, &mut UnixStream::connect(socket).await?).await?;
        }
    }
    Ok(())
}
