//! Prints a channel's messages, of a number each: receive NAME TIMES. Begins before the sender or after.

use zinc::Channel;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, times] = &arguments[..] else { return Err("receive NAME TIMES".into()) };
    let reader = Channel::open_within(name, None)?.reader(0)?; // waits for ever, if need be
    for message in reader.messages().take(times.parse()?) {
        let message = message?; // given back at the end of the block
        let value = f64::from_ne_bytes(message[..8].try_into()?); // read where it lies
        println!("{}: {value}", message.number());
    }
    println!("{} lost", reader.lost());
    Ok(())
}
