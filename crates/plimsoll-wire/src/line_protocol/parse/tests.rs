use proptest::prelude::*;

use super::*;

const NOW: i64 = 99;

/// A point as text that is easy to compare.
fn shown(point: &Point) -> String {
    let tags: Vec<_> = point.tags().map(|(name, value)| format!("{name:?}={value:?}")).collect();
    let fields: Vec<_> = point.fields().map(|field| format!("{:?}={:?}", field.name, field.value)).collect();
    format!("{} [{}] [{}] {}", point.measurement(), tags.join(" "), fields.join(" "), point.time())
}

fn parse(line: &str) -> Result<String, String> {
    let mut point = Point::default();
    match parse_line(line.as_bytes(), Precision::Seconds, NOW, &mut point) {
        Ok(true) => Ok(shown(&point)),
        Ok(false) => Ok(String::new()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn lines_of_every_form() {
    for (line, expected) in [
        ("", ""),
        (" \t", ""),
        ("# cpu f=1", ""),
        ("  # cpu f=1", ""),
        ("m f=1", "m [] [\"f\"=Float(1.0)] 99"),
        (" m   f=1   2  ", "m [] [\"f\"=Float(1.0)] 2000000000"),
        ("m f=1 -2\r", "m [] [\"f\"=Float(1.0)] -2000000000"),
        (
            "m,a=b,c=d f=1i,g=2u,h=-1.5e3",
            r#"m ["a"="b" "c"="d"] ["f"=Integer(1) "g"=Unsigned(2) "h"=Float(-1500.0)] 99"#,
        ),
        (r"m\,\ x=y,a\,\ \=b=c\,\ \=d f\,\ \=g=1", r#"m, x=y ["a, =b"="c, =d"] ["f, =g"=Float(1.0)] 99"#),
        (r#"m,k\\x=\v "f"=t,g\"=T"#, r#"m ["k\\\\x"="\\v"] ["\"f\""=Bool(true) "g\""=Bool(true)] 99"#),
        (
            "m a=t,b=T,c=true,d=True,e=TRUE",
            r#"m [] ["a"=Bool(true) "b"=Bool(true) "c"=Bool(true) "d"=Bool(true) "e"=Bool(true)] 99"#,
        ),
        (
            "m a=f,b=F,c=false,d=False,e=FALSE",
            r#"m [] ["a"=Bool(false) "b"=Bool(false) "c"=Bool(false) "d"=Bool(false) "e"=Bool(false)] 99"#,
        ),
        (r#"m f="",g="a, \"b\" \\ \x" 5"#, r#"m [] ["f"=Text("") "g"=Text("a, \"b\" \\ \\x")] 5000000000"#),
        ("m f=\"two\nlines\"", r#"m [] ["f"=Text("two\nlines")] 99"#),
        ("m f=1,f=.5", r#"m [] ["f"=Float(1.0) "f"=Float(0.5)] 99"#),
        ("\u{e9},\u{1f6a2}=\u{e9} \u{e9}=\"\u{1f6a2}\"", "é [\"🚢\"=\"é\"] [\"é\"=Text(\"🚢\")] 99"),
        ("m,a=\"b c=\"d", ""),
    ] {
        match expected {
            "" if line.contains('=') && !line.trim_start().starts_with('#') => {
                assert!(parse(line).is_err(), "{line}");
            }
            _ => assert_eq!(parse(line).as_deref(), Ok(expected), "{line}"),
        }
    }
}

#[test]
fn faults_are_told_with_their_place() {
    for (line, fault) in [
        (",a=b f=1", "at byte 1: the measurement is missing"),
        ("m", "at byte 2: a field has no name"),
        ("m,a=b", "at byte 6: there are no fields"),
        ("m, f=1", "at byte 3: a tag has no name"),
        ("m,a f=1", "at byte 3: a tag has no name or no value"),
        ("m,=b f=1", "at byte 3: a tag has no name"),
        ("m,a= f=1", "at byte 5: a tag has no value"),
        ("m,a=b=c f=1", "at byte 6: a tag's value has a '='"),
        ("m,a=b,a=c f=1", "at byte 10: a tag comes twice"),
        ("m f", "at byte 3: a field has no name or no value"),
        ("m =1", "at byte 3: a field has no name or no value"),
        ("m f=1, g=2", "at byte 7: a field has no name"),
        ("m f=", "at byte 5: a field has no value"),
        ("m f=,g=1", "at byte 5: a field has no value"),
        ("m f=x", "at byte 5: a value is neither"),
        ("m f=nan", "at byte 5: a value is neither"),
        ("m f=inf", "at byte 5: a value is neither"),
        ("m f=+Infi", "at byte 5: a value is neither"),
        ("m f=1e999", "at byte 5: the number is too large"),
        ("m f=9223372036854775808i", "at byte 5: it is no whole number from -2^63"),
        ("m f=-1u", "at byte 5: it is no whole number from 0"),
        ("m f=1.5i", "at byte 5: a value is neither"),
        ("m f=\"a", "at byte 5: the text of a field does not end"),
        ("m f=\"a\"b", "at byte 8: something follows the text"),
        ("m f=1 x", "at byte 7: the time is no whole number"),
        ("m f=1 1.5", "at byte 7: the time is no whole number"),
        ("m f=1 9999999999999", "at byte 7: the time is no whole number"),
        ("m f=1 2 3", "at byte 9: something follows the time"),
        ("m\nn f=1", "at byte 2: a field has no name"),
        ("m f=1\r2", "at byte 5: a value is neither"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.starts_with(fault), "{line:?}: {error}");
    }
    let mut point = Point::default();
    let error = parse_line(b"m f=\"\xff\"", Precision::Seconds, NOW, &mut point).unwrap_err();
    assert_eq!(error.to_string(), "at byte 6: it is no UTF-8");
    let long = format!("m f=\"{}\"", "x".repeat(MAX_LINE));
    assert_eq!(parse(&long).unwrap_err(), format!("at byte {}: {TOO_LONG}", MAX_LINE + 1));
    let many: String = (0..=MAX_NAMES).map(|n| format!(",t{n}=v")).collect();
    assert!(parse(&format!("m{many} f=1")).unwrap_err().ends_with("too many tags; at most 1024 are read"));
    assert!(parse(&format!("m {}", &many.replace("=v", "=1")[1..])).unwrap_err().contains("too many fields"));
}

proptest! {
    #[test]
    fn whatever_is_read_nothing_panics(bytes: Vec<u8>, text in "[mf=1i\", \\\\\n#\u{e9}\r\t-]{0,80}") {
        let mut point = Point::default();
        for precision in Precision::ALL {
            parse_line(&bytes, *precision, NOW, &mut point).ok();
            parse_line(text.as_bytes(), *precision, NOW, &mut point).ok();
        }
    }
}
