//! Frames of one size, copied one behind the other.

use super::Receiver;
use crate::ring::Found;

impl Receiver {
    /// Copies the frames that are there into `buffer`, one behind the other, as long as each is of kind 0 and has `size` bytes; how many they were. It stops in front of any other frame, and now and then in
    /// front of one of these: another call takes that, or says how the connection ended. Never waits.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("ringway-doc-records-{}", std::process::id()));
    /// # let mut listener = ringway::Listener::bind(path.as_path())?;
    /// # let client = std::thread::spawn(move || ringway::connect(path).unwrap().split().0);
    /// # let (_sender, mut receiver) = listener.accept()?.split();
    /// # let mut sender = client.join().unwrap();
    /// for record in [b"one", b"two"] {
    ///     sender.send(record)?;
    /// }
    /// sender.send(b"longer")?;
    /// let mut buffer = [0; 12];
    /// assert_eq!(receiver.take_records(&mut buffer, 3), 2);
    /// assert_eq!(&buffer[..6], b"onetwo");
    /// assert_eq!(receiver.recv()?.to_vec(), b"longer");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_records(&mut self, buffer: &mut [u8], size: usize) -> usize {
        if size == 0 {
            return 0;
        }
        let mut taken = 0;
        for place in buffer.chunks_exact_mut(size) {
            if self.lane.take_exact(place) != Found::Taken {
                break;
            }
            taken += 1;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use crate::connection::Config;
    use crate::connection::rest::pair::pair;

    #[test]
    fn records_are_taken_until_the_buffer_is_full_or_another_frame_comes() {
        let (mut server, mut client) = pair("records", &Config::new());
        let receiver = client.receiver();
        let mut buffer = [0; 8];
        assert_eq!(receiver.take_records(&mut buffer, 3), 0);
        for record in [b"one", b"two", b"six", b"ten", b"end"] {
            server.sender().send(record).unwrap();
        }
        server.sender().send(b"longer").unwrap();
        assert_eq!(receiver.take_records(&mut buffer, 0), 0);
        assert_eq!(receiver.take_records(&mut buffer, 3), 2);
        assert_eq!(&buffer, b"onetwo\0\0");
        let mut buffer = [0; 12];
        assert_eq!(receiver.take_records(&mut buffer, 3), 3);
        assert_eq!(&buffer, b"sixtenend\0\0\0");
        assert_eq!(receiver.try_recv().unwrap().to_vec(), b"longer");
    }
}
