//! Sends numbers: send NAME TIMES. Waits for a reader first; killed and started again, it goes on.

use std::io::ErrorKind::AlreadyExists;
use zinc::{Channel, ChannelOptions, RegionOptions};

/// What a message is, for Python: as in the header of a .npy file.
const DESCRIPTION: &[u8] = b"{'descr': '<f8', 'fortran_order': False, 'shape': ()}";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, times] = &arguments[..] else { return Err("send NAME TIMES".into()) };
    let options = ChannelOptions::new(8, 8).waits(true).region(RegionOptions::new().metadata(DESCRIPTION));
    let channel = match options.create(name) {
        Err(error) if error.kind() == AlreadyExists => Channel::open(name)?,
        made => made?,
    };
    channel.wait_for_readers(1, None)?;
    for number in 1..=times.parse()? {
        let mut loan = channel.loan()?; // a slot of shared memory that nobody reads
        loan.copy_from_slice(&(f64::from(number) / 2.0).to_ne_bytes());
        loan.publish(8, None)?;
    }
    Ok(())
}
