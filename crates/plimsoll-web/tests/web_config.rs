//! Configurations good and bad: which are taken, and what is said of those that are not.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a test's purpose")]

mod harness;
mod secure;

use plimsoll_web::security::Security;

use crate::secure::{Authority, Folder, dns, open_to};

const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";
const HASH: &str = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi";

/// Lines below `tls_server_config`.
fn tls(lines: &str) -> String {
    format!("{TLS}{lines}")
}

#[test]
fn good_ones() {
    let authority = Authority::new();
    let pair = authority.server();
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let inline = format!(
        "tls_server_config:\n  cert: |\n{}  key: |\n{}  client_ca: |\n{}  client_auth_type: RequireAndVerifyClientCert\n",
        indented(&pair.certificate),
        indented(&pair.key),
        indented(&authority.certificate)
    );
    let whole = format!(
        "# As the documentation has it.\n{}basic_auth_users:\n  ann: {HASH}\n  'b o b': '{HASH}'\nhttp_server_config:\n  \
         http2: true\n  headers:\n    X-Frame-Options: sameorigin\nrate_limit:\n  interval: 1m30s\n  burst: 10\n",
        tls(
            "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  client_allowed_sans: [a, b]\n  \
             min_version: TLS12\n  max_version: TLS13\n  prefer_server_cipher_suites: false\n  cipher_suites: \
             [TLS_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]\n  curve_preferences: [X25519, \
             CurveP256]\n"
        )
    );
    for (config, has_tls, asks) in [
        ("", false, false),
        ("# nothing\n", false, false),
        ("{}", false, false),
        ("tls_server_config: {}", false, false),
        ("tls_server_config:\nbasic_auth_users:\n", false, false),
        ("http_server_config:\n  http2: off\n  headers:\n    X-Frame-Options: ''\n", false, false),
        ("rate_limit:\n  interval: 0\n  burst: 0\n", false, false),
        ("rate_limit:\n  interval: 1000000\n  burst: 1\n", false, false),
        (TLS, true, false),
        (&whole, true, true),
        (&inline, true, true),
        (&format!("basic_auth_users:\n  ann: {HASH}\n"), false, true),
    ] {
        let folder = Folder::with(config, &authority, &pair);
        let security = folder.open().unwrap_or_else(|error| panic!("{config}: {error}, {}", error.remedy()));
        assert_eq!((security.has_tls(), security.asks()), (has_tls, asks), "{config}");
        let shown = format!("{security:?}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    }
}

#[test]
fn bad_ones_say_what_is_wrong_and_what_to_do() {
    let authority = Authority::new();
    let cases: &[(String, &str, &str)] = &[
        (
            "tls_server_confg: {}".into(),
            "unknown key \"tls_server_confg\"",
            "nearest known is `tls_server_config`",
        ),
        (tls("  cert_fil: x\n"), "unknown key \"cert_fil\" in tls_server_config", "`cert_file`"),
        (tls("  zzzzzzzzzzzzzzzz: x\n"), "unknown key", "known are cert, key"),
        ("http_server_config: {http3: true}".into(), "unknown key \"http3\"", "`http2`"),
        (
            "http_server_config: {headers: {X-Frame-Option: deny}}".into(),
            "X-Frame-Option",
            "`X-Frame-Options`",
        ),
        (
            "http_server_config: {headers: {X-Frame-Options: allow}}".into(),
            "X-Frame-Options cannot",
            "deny or sameorigin",
        ),
        ("http_server_config: {headers: {X-XSS-Protection: \"a\\nb\"}}".into(), "no single line", "one line"),
        ("http_server_config: {http2: maybe}".into(), "neither true nor false", "true or false"),
        ("rate_limit: {interval: soon}".into(), "rate_limit.interval", "1m30s"),
        ("rate_limit: {interval: 1s}".into(), "burst is 0", "1 or more"),
        ("rate_limit: {interval: 1s, burst: -1}".into(), "burst is no whole number", "at once"),
        ("rate_limit: {intervall: 1s, burst: 1}".into(), "unknown key \"intervall\"", "`interval`"),
        ("- a\n- b\n".into(), "is no mapping", "key: value"),
        ("tls_server_config: yes".into(), "tls_server_config is no mapping", "key: value"),
        ("a: [".into(), "is no YAML", "mend"),
        ("tls_server_config: {}\ntls_server_config: {}\n".into(), "is no YAML", "mend"),
        ("tls_server_config: {min_version: TLS12}".into(), "neither cert nor cert_file", "cert_file"),
        ("tls_server_config: {cert_file: cert.pem}".into(), "neither key nor key_file", "key_file"),
        ("tls_server_config: {cert_file: cert.pem, key_file: no.pem}".into(), "cannot read", "may read"),
        ("tls_server_config: {cert_file: ., key_file: key.pem}".into(), "is no file", "file"),
        (
            "tls_server_config: {cert_file: web.yml, key_file: key.pem}".into(),
            "there is no certificate",
            "PEM",
        ),
        ("tls_server_config: {cert_file: cert.pem, key_file: cert.pem}".into(), "no private key", "PEM"),
        (
            "tls_server_config: {cert_file: cert.pem, key_file: other.pem}".into(),
            "do not belong together",
            "key of this",
        ),
        (
            "tls_server_config: {cert_file: expired.pem, key_file: expired-key.pem}".into(),
            "has expired",
            "renew",
        ),
        (
            "tls_server_config: {cert_file: early.pem, key_file: early-key.pem}".into(),
            "not valid before",
            "clock",
        ),
        ("tls_server_config: {cert_file: cert.pem, key_file: open.pem}".into(), "to every user", "chmod o= "),
        (tls("  cert: x\n"), "both cert and cert_file", "leave one"),
        (tls("  min_version: TLS10\n"), "min_version: \"TLS10\"", "TLS12, TLS13"),
        (tls("  max_version: TLS11\n"), "max_version: \"TLS11\"", "TLS12, TLS13"),
        (tls("  min_version: TLS13\n  max_version: TLS12\n"), "above max_version", "swap"),
        (
            tls("  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n"),
            "cipher_suites: \"TLS_RSA_WITH_AES_128_CBC_SHA\"",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        ),
        (
            tls("  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
            "leaves nothing to speak",
            "cipher_suites",
        ),
        (tls("  cipher_suites: TLS_AES_128_GCM_SHA256\n"), "cipher_suites is no list", "[\"a\""),
        (
            tls("  curve_preferences: [CurveP521]\n"),
            "curve_preferences: \"CurveP521\"",
            "X25519, CurveP256, CurveP384",
        ),
        (tls("  client_auth_type: Require\n"), "client_auth_type: \"Require\"", "RequireAndVerifyClientCert"),
        (tls("  client_ca_file: ca.pem\n"), "asks no client", "RequireAndVerifyClientCert"),
        (tls("  client_auth_type: RequireAndVerifyClientCert\n"), "against whom", "client_ca_file"),
        (tls("  client_auth_type: VerifyClientCertIfGiven\n"), "against whom", "client_ca_file"),
        (tls("  client_allowed_sans: [a]\n"), "every client to have", "RequireAndVerifyClientCert"),
        (
            tls("  client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []\n"),
            "is empty",
            "name a client",
        ),
        ("basic_auth_users: {ann: hunter2}".into(), "the hash of \"ann\" is none of bcrypt", "htpasswd"),
        ("basic_auth_users: {ann: 12}".into(), "is no text", "quotes"),
        (
            format!("basic_auth_users: {{ann: '{}'}}", HASH.replace("$10$", "$18$")),
            "has the cost 18",
            "htpasswd",
        ),
        (
            format!("basic_auth_users: {{ann: '{}'}}", HASH.replace("$10$", "$02$")),
            "cost below 4",
            "htpasswd",
        ),
        (format!("basic_auth_users: {{'a:b': '{HASH}'}}"), "no client could send", "colon"),
    ];
    for (config, what, remedy) in cases {
        let folder = Folder::with(config, &authority, &authority.server());
        folder.put("other.pem", &authority.server().key);
        for (name, years) in [("expired", (2000, 2001)), ("early", (3000, 4000))] {
            let pair = authority.pair_for_years(vec![dns("localhost")], years);
            folder.put(&format!("{name}.pem"), &pair.certificate);
            folder.put(&format!("{name}-key.pem"), &pair.key);
        }
        let open = folder.put("open.pem", &authority.server().key);
        open_to(&open, 0o644);
        let error = folder.open().expect_err(config);
        assert!(error.to_string().contains(what), "{config}: {error}");
        assert!(error.to_string().contains("web.yml"), "{config}: {error}");
        assert!(error.remedy().contains(remedy), "{config}: {}", error.remedy());
        for secret in ["hunter2", HASH, "PRIVATE"] {
            assert!(!error.to_string().contains(secret), "{config}: {error}");
        }
    }
}

#[test]
fn a_key_within_a_file_that_everybody_can_read_is_refused() {
    let authority = Authority::new();
    let pair = authority.server();
    let key: String = pair.key.lines().map(|line| format!("    {line}\n")).collect();
    let config = format!("tls_server_config:\n  cert_file: cert.pem\n  key: |\n{key}");
    let folder = Folder::with(&config, &authority, &pair);
    assert!(folder.open().is_ok());
    open_to(&folder.path("web.yml"), 0o644);
    let error = folder.open().unwrap_err();
    assert!(error.to_string().contains("every user"), "{error}");
    // Without a key it may be read by anybody.
    folder.put("web.yml", TLS);
    open_to(&folder.path("web.yml"), 0o644);
    assert!(folder.open().is_ok());
    assert!(Security::open(Some(folder.path("nowhere.yml")), Vec::new()).is_err());
    std::fs::write(folder.path("large.yml"), vec![b'#'; 2 << 20]).unwrap();
    assert!(Security::open(Some(folder.path("large.yml")), Vec::new()).is_err());
}
