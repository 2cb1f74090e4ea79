//! Snapshots in a file: enough of each to be appended to a history again.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use plimsoll_model::catalog::SlotIndex;
use plimsoll_model::{
    Container, ContainerRow, DeviceRow, DeviceSlot, InterfaceRow, InterfaceSlot, Slot, Snapshot, State,
    Values,
};

/// Writes snapshots.
pub(crate) struct Writer(zstd::Encoder<'static, File>);

impl Writer {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(zstd::Encoder::new(File::create(path)?, 3)?))
    }

    pub(crate) fn write(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let Self(out) = self;
        let machine = &snapshot.agent.machine;
        for value in [snapshot.at, snapshot.containers.len() as u64] {
            number(out, value)?;
        }
        for value in [machine.cores, machine.memory, machine.swap, snapshot.agent.process.cpu] {
            number(out, value.unwrap_or(0))?;
        }
        for row in &snapshot.containers {
            text(out, &row.container.id)?;
            text(out, &row.container.name)?;
            values(out, Slot::ALL, &row.values)?;
            number(out, row.interfaces.len() as u64)?;
            for interface in &row.interfaces {
                text(out, &interface.name)?;
                values(out, InterfaceSlot::ALL, &interface.values)?;
            }
            number(out, row.devices.len() as u64)?;
            for device in &row.devices {
                text(out, &device.name)?;
                values(out, DeviceSlot::ALL, &device.values)?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        self.0.finish().map(drop)
    }
}

/// Reads them again.
pub(crate) struct Reader(zstd::Decoder<'static, BufReader<File>>);

impl Reader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(zstd::Decoder::new(File::open(path)?)?))
    }

    /// The next one; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Snapshot>> {
        let Self(from) = self;
        let at = match read_number(from) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            at => at?,
        };
        let rows = read_number(from)?;
        let mut snapshot = Snapshot { at, ..Snapshot::default() };
        let machine = &mut snapshot.agent.machine;
        for value in [&mut machine.cores, &mut machine.memory, &mut machine.swap] {
            *value = Some(read_number(from)?);
        }
        snapshot.agent.process.cpu = Some(read_number(from)?);
        for _ in 0..rows {
            let mut container = Container::new(&read_text(from)?, "docker".into());
            container.name = read_text(from)?;
            container.state = State::Running;
            let mut row = ContainerRow::new(Arc::new(container));
            read_values(from, Slot::ALL, &mut row.values)?;
            for _ in 0..read_number(from)? {
                let (name, mut values) = (read_text(from)?.into(), Values::default());
                read_values(from, InterfaceSlot::ALL, &mut values)?;
                row.interfaces.push(InterfaceRow { name, network: "".into(), values });
            }
            for _ in 0..read_number(from)? {
                let (name, mut values) = (read_text(from)?.into(), Values::default());
                read_values(from, DeviceSlot::ALL, &mut values)?;
                row.devices.push(DeviceRow { name, number: None, values });
            }
            snapshot.containers.push(row);
        }
        Ok(Some(snapshot))
    }
}

fn number(out: &mut impl Write, value: u64) -> io::Result<()> {
    out.write_all(&value.to_le_bytes())
}

fn read_number(from: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn text(out: &mut impl Write, text: &str) -> io::Result<()> {
    number(out, text.len() as u64)?;
    out.write_all(text.as_bytes())
}

fn read_text(from: &mut impl Read) -> io::Result<String> {
    let mut bytes = vec![0; usize::try_from(read_number(from)?).unwrap_or(0).min(1 << 16)];
    from.read_exact(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn values<S: SlotIndex, const N: usize>(
    out: &mut impl Write,
    slots: &[S],
    row: &Values<S, N>,
) -> io::Result<()> {
    for slot in slots {
        match row.get(*slot) {
            Some(value) => {
                out.write_all(&[1])?;
                number(out, value)?;
            }
            None => out.write_all(&[0])?,
        }
    }
    Ok(())
}

fn read_values<S: SlotIndex, const N: usize>(
    from: &mut impl Read,
    slots: &[S],
    row: &mut Values<S, N>,
) -> io::Result<()> {
    for slot in slots {
        let mut present = [0];
        from.read_exact(&mut present)?;
        if present == [1] {
            row.set(*slot, read_number(from)?);
        }
    }
    Ok(())
}
