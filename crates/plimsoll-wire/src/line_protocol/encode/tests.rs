use super::*;

fn one(build: impl FnOnce(&mut Point)) -> (String, Tally) {
    let mut point = Point::default();
    point.begin("m", 5_000_000);
    build(&mut point);
    let (mut encoder, mut tally) = (Encoder::new(Precision::Milliseconds), Tally::default());
    encoder.push(&point, &mut tally);
    assert_eq!(encoder.is_empty(), tally.accepted == 0);
    (String::from_utf8(encoder.take()).unwrap(), tally)
}

#[test]
fn names_are_escaped_by_place() {
    for (text, measurement, name) in [
        ("a,b c=d\"e", r#"a\,b\ c=d"e"#, r#"a\,b\ c\=d"e"#),
        (r"C:\temp", r"C:\temp", r"C:\temp"),
        (r"C:\", "C:/", "C:/"),
        (r"\\server\share", r"//server\share", r"//server\share"),
        (r"a\,b\ c\=d", r"a/\,b/\ c/=d", r"a/\,b/\ c/\=d"),
        ("a\\\"b", "a/\"b", "a/\"b"),
        ("a\nb\r\t\u{c}c", r"a\nb\r\t\fc", r"a\nb\r\t\fc"),
        ("a\\\nb\\", r"a/\nb/", r"a/\nb/"),
        ("\u{1b}[31m\0\u{7f}", r"\x1b[31m\x00\x7f", r"\x1b[31m\x00\x7f"),
        ("#é🚢", r"\#é🚢", "#é🚢"),
    ] {
        let (line, _) = one(|point| {
            point.begin(text, 5_000_000);
            point.tag("k", text);
            point.tag(text, "v");
            point.field(text, Value::Bool(true));
        });
        // As a field it has the name of a tag.
        assert_eq!(line, "", "{text:?}");
        let (line, _) = one(|point| {
            point.begin(text, 5_000_000);
            point.tag("k", text);
            point.field(text, Value::Bool(true));
        });
        assert_eq!(line, format!("{measurement},k={name} {name}=true 5\n"), "{text:?}");
    }
}

#[test]
fn values_of_every_kind() {
    let (line, tally) = one(|point| {
        for (name, value) in [
            ("u", Value::Unsigned(7)),
            ("big", Value::Unsigned(1 << 63)),
            ("i", Value::Integer(i64::MIN)),
            ("n", Value::Nano(1_500_000_000)),
            ("f", Value::Float(-0.25)),
            ("tiny", Value::Float(5e-324)),
            ("huge", Value::Float(f64::MAX)),
            ("nan", Value::Float(f64::NAN)),
            ("inf", Value::Float(f64::NEG_INFINITY)),
            ("b", Value::Bool(false)),
            ("t", Value::Text("a \"b\"\\\n,=")),
            ("s", Value::Stale),
        ] {
            point.field(name, value);
        }
    });
    let expected = "m u=7i,i=-9223372036854775808i,n=1.5,f=-0.25,tiny=5e-324,huge=1.7976931348623157e308,b=false,\
                    t=\"a \\\"b\\\"\\\\\\\\n,=\" 5\n";
    assert_eq!(line, expected);
    assert_eq!((tally.accepted, tally.fields_refused), (1, 4));
}

#[test]
fn names_that_are_taken_or_the_servers_own() {
    let (line, tally) = one(|point| {
        for (name, value) in
            [("a", "1"), ("a", "2"), ("time", "3"), ("_field", "4"), ("a\\\\", "5"), ("a//", "6")]
        {
            point.tag(name, value);
        }
        point.field("a", Value::Integer(1));
        point.field("", Value::Float(f64::NAN));
        point.field("value", Value::Integer(2));
        point.field("", Value::Integer(3));
        point.field("time", Value::Integer(4));
    });
    assert_eq!(line, "m,a=1,time_=3,_field_=4,a//=5 value=2i 5\n");
    assert_eq!(tally.fields_refused, 4, "a, the first and the third value, and time: time_ is a tag's");
}

#[test]
fn what_cannot_be_written_is_refused_by_reason() {
    let long = "x".repeat(MAX_KEY);
    let number = Value::Integer(1);
    type Change<'a> = &'a dyn Fn(&mut Point);
    let cases: [(&str, Change<'_>); 10] = [
        (EMPTY_MEASUREMENT, &|point| point.begin("", 0)),
        (EMPTY_TAG_NAME, &|point| point.tag("", "v")),
        (NO_FIELDS, &|point| point.begin("m", 5_000_000)),
        (NO_FIELDS, &|point| point.make_stale(0)),
        (TIME_OUT_OF_RANGE, &|point| point.set_time(i64::MIN)),
        (TOO_LONG, &|point| point.tag("long", &long)),
        (TOO_LONG, &|point| {
            (0..17).for_each(|n| point.field(&n.to_string(), Value::Text(&"y".repeat(MAX_STRING - 2))));
        }),
        (TOO_MANY_NAMES, &|point| (0..=MAX_NAMES).for_each(|n| point.tag(&n.to_string(), "v"))),
        (TOO_MANY_NAMES, &|point| (0..MAX_NAMES).for_each(|n| point.field(&n.to_string(), number))),
        (NO_FIELDS, &|point| {
            point.begin("m", 5_000_000);
            point.field("text", Value::Text(&"\"".repeat(MAX_STRING / 2)));
            point.field(&long, number);
        }),
    ];
    for (reason, change) in cases {
        let (line, tally) = one(|point| {
            point.field("f", number);
            change(point);
        });
        assert_eq!(line, "", "{reason}");
        assert_eq!(tally.refused.into_iter().collect::<Vec<_>>(), [(reason, 1)]);
        assert_eq!((tally.accepted, tally.fields_refused), (0, 0));
        assert!(REASONS.contains(&reason));
    }
}

#[test]
fn a_refused_point_leaves_nothing_behind() {
    let (mut encoder, mut tally) = (Encoder::new(Precision::Seconds), Tally::default());
    let mut point = Point::default();
    for fields in [1, 0, 1] {
        point.begin("m", 3_999_999_999);
        point.tag("k", "v");
        (0..fields).for_each(|_| point.field("f", Value::Integer(1)));
        encoder.push(&point, &mut tally);
    }
    assert_eq!(encoder.len(), 26);
    assert_eq!(encoder.take(), b"m,k=v f=1i 3\nm,k=v f=1i 3\n");
    assert!(encoder.is_empty() && encoder.take().is_empty());
    assert_eq!(tally.accepted, 2);
}
