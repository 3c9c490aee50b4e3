//! The stream of events for who looks on: server-sent events (HTML 9.2), those that were missed
//! first. Who does not read fast enough is let go and comes back with the number that it has.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::board::Message;

/// A line without meaning shows whether somebody still reads.
const BEAT: Duration = Duration::from_secs(15);

pub struct EventStream {
    missed: VecDeque<Message>,
    coming: mpsc::Receiver<Message>,
    beat: Interval,
}

impl EventStream {
    pub fn new(missed: Vec<Message>, coming: mpsc::Receiver<Message>) -> EventStream {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        EventStream { missed: missed.into(), coming, beat }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |text: String| Poll::Ready(Some(Ok(Frame::data(Bytes::from(text)))));
        if let Some(message) = self.missed.pop_front() {
            return frame(text(&message));
        }
        match self.coming.poll_recv(context) {
            Poll::Ready(Some(message)) => frame(text(&message)),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.beat.poll_tick(context) {
                Poll::Ready(_) => frame(":\n\n".to_owned()),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// JSON has no line breaks of its own. Progress is not in the journal and has no number.
fn text(message: &Message) -> String {
    let number = message.number.map(|number| format!("id: {number}\n")).unwrap_or_default();
    format!("{number}data: {}\n\n", crate::ui::screen::harmless(&message.object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_line_of_data_whatever_is_in_it() {
        let object = json!({"text": "a\nb\r\u{1b}[2J\u{85}\u{2028}"});
        let text = text(&Message { number: Some(7), object });
        let lines: Vec<&str> = text.split('\n').collect();
        assert_eq!(lines[0], "id: 7");
        assert!(lines[1].starts_with("data: {\"text\":\"a\\nb\\r\\u001b[2J\\u0085"), "{text}");
        assert_eq!((&lines[2..], text.contains('\r')), (&["", ""][..], false));
    }
}
