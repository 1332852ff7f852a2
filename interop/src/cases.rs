//! The cases, as clients. Each panics with what it found where that is not what the descriptions say.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::stream;
use tokio::sync::mpsc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::observed::{ECHO_INITIAL, ECHO_TRAILING, OPEN_CALLS};
use crate::pb::test_service_client::TestServiceClient;
use crate::pb::unimplemented_service_client::UnimplementedServiceClient;
use crate::pb::{
    EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, StreamingInputCallRequest,
    StreamingOutputCallRequest, StreamingOutputCallResponse,
};

type Client = TestServiceClient<Channel>;
type Run = fn(Channel) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// All cases, by the names that all implementations have for them.
pub const ALL: &[(&str, Run)] = &[
    ("empty_unary", |channel| Box::pin(empty_unary(channel))),
    ("large_unary", |channel| Box::pin(large_unary(channel))),
    ("client_streaming", |channel| {
        Box::pin(client_streaming(channel))
    }),
    ("server_streaming", |channel| {
        Box::pin(server_streaming(channel))
    }),
    ("ping_pong", |channel| Box::pin(ping_pong(channel))),
    ("empty_stream", |channel| Box::pin(empty_stream(channel))),
    ("status_code_and_message", |channel| {
        Box::pin(status_code_and_message(channel))
    }),
    ("special_status_message", |channel| {
        Box::pin(special_status_message(channel))
    }),
    ("unimplemented_method", |channel| {
        Box::pin(unimplemented_method(channel))
    }),
    ("unimplemented_service", |channel| {
        Box::pin(unimplemented_service(channel))
    }),
    ("custom_metadata", |channel| {
        Box::pin(custom_metadata(channel))
    }),
    ("cancel_after_begin", |channel| {
        Box::pin(cancel_after_begin(channel))
    }),
    ("cancel_after_first_response", |channel| {
        Box::pin(cancel_after_first_response(channel))
    }),
    ("timeout_on_sleeping_server", |channel| {
        Box::pin(timeout_on_sleeping_server(channel))
    }),
];

/// The sizes of what is asked and of what is answered, in the cases with several messages.
const ASKED: [usize; 4] = [27_182, 8, 1_828, 45_904];
const ANSWERED: [i32; 4] = [31_415, 9, 2_653, 58_979];
const LARGE_REQUEST: usize = 271_828;
const LARGE_ANSWER: i32 = 314_159;

async fn empty_unary(channel: Channel) {
    let answer = Client::new(channel).empty_call(Empty {}).await;
    assert_eq!(answer.unwrap().into_inner(), Empty {});
}

async fn large_unary(channel: Channel) {
    let answer = Client::new(channel).unary_call(large()).await.unwrap();
    let body = answer.into_inner().payload.unwrap().body;
    assert_eq!(body, vec![0; LARGE_ANSWER as usize]);
}

async fn client_streaming(channel: Channel) {
    let requests = ASKED.map(|size| StreamingInputCallRequest {
        payload: Some(zeros(size)),
    });
    let answer = Client::new(channel)
        .streaming_input_call(stream::iter(requests))
        .await;
    assert_eq!(answer.unwrap().into_inner().aggregated_payload_size, 74_922);
}

async fn server_streaming(channel: Channel) {
    let request = StreamingOutputCallRequest {
        response_parameters: ANSWERED.map(sized).to_vec(),
        ..Default::default()
    };
    let answers = Client::new(channel).streaming_output_call(request).await;
    let mut answers = answers.unwrap().into_inner();
    for size in ANSWERED {
        assert_eq!(length(answers.message().await.unwrap()), Some(size));
    }
    assert_eq!(answers.message().await.unwrap(), None);
}

async fn ping_pong(channel: Channel) {
    let (ask, requests) = mpsc::channel(1);
    ask.send(ping(0)).await.unwrap();
    let answers = Client::new(channel)
        .full_duplex_call(received(requests))
        .await;
    let mut answers = answers.unwrap().into_inner();
    for (number, size) in ANSWERED.into_iter().enumerate() {
        assert_eq!(length(answers.message().await.unwrap()), Some(size));
        if number + 1 < ASKED.len() {
            ask.send(ping(number + 1)).await.unwrap();
        }
    }
    drop(ask);
    assert_eq!(answers.message().await.unwrap(), None);
}

async fn empty_stream(channel: Channel) {
    let answers = Client::new(channel).full_duplex_call(stream::empty()).await;
    assert_eq!(answers.unwrap().into_inner().message().await.unwrap(), None);
}

async fn status_code_and_message(channel: Channel) {
    let message = "test status message";
    let mut client = Client::new(channel);
    let status = client.unary_call(failing(message)).await.unwrap_err();
    assert_eq!(told(&status), (Code::Unknown, message));
    let request = StreamingOutputCallRequest {
        response_status: failing(message).response_status,
        ..Default::default()
    };
    let answered = client.full_duplex_call(stream::iter([request])).await;
    let status = match answered {
        Ok(answers) => answers.into_inner().message().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(told(&status), (Code::Unknown, message));
}

async fn special_status_message(channel: Channel) {
    let message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";
    let answer = Client::new(channel).unary_call(failing(message)).await;
    assert_eq!(told(&answer.unwrap_err()), (Code::Unknown, message));
}

async fn unimplemented_method(channel: Channel) {
    let answer = Client::new(channel).unimplemented_call(Empty {}).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
}

async fn unimplemented_service(channel: Channel) {
    let answer = UnimplementedServiceClient::new(channel)
        .unimplemented_call(Empty {})
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
}

async fn custom_metadata(channel: Channel) {
    let initial: MetadataValue<_> = "test_initial_metadata_value".parse().unwrap();
    let trailing = MetadataValue::from_bytes(&[0xab, 0xab, 0xab]);
    let mut client = Client::new(channel);

    let mut unary = Request::new(large());
    let mut duplex = Request::new(stream::iter([ping(0)]));
    for metadata in [unary.metadata_mut(), duplex.metadata_mut()] {
        metadata.insert(ECHO_INITIAL, initial.clone());
        metadata.insert_bin(ECHO_TRAILING, trailing.clone());
    }
    let answer = client.unary_call(unary).await.unwrap();
    assert_eq!(answer.metadata().get(ECHO_INITIAL), Some(&initial));
    // Of a call with one answer, tonic has first and last metadata in one.
    assert_eq!(answer.metadata().get_bin(ECHO_TRAILING), Some(&trailing));

    let answers = client.full_duplex_call(duplex).await.unwrap();
    assert_eq!(answers.metadata().get(ECHO_INITIAL), Some(&initial));
    let trailers = answers.into_inner().trailers().await.unwrap().unwrap();
    assert_eq!(trailers.get_bin(ECHO_TRAILING), Some(&trailing));
}

/// A client of tonic cancels by dropping the call, which is then nobody's to answer; what is to be seen is that the server hears of it.
async fn cancel_after_begin(channel: Channel) {
    let (_ask, requests) = mpsc::channel::<StreamingInputCallRequest>(1);
    let mut client = Client::new(channel.clone());
    let mut call = Box::pin(client.streaming_input_call(received(requests)));
    tokio::select! {
        answer = &mut call => panic!("answered before it was asked: {answer:?}"),
        () = open_calls(&channel, 1) => {}
    }
    drop(call);
    open_calls(&channel, 0).await;
}

async fn cancel_after_first_response(channel: Channel) {
    let (ask, requests) = mpsc::channel(1);
    ask.send(ping(0)).await.unwrap();
    let answers = Client::new(channel.clone())
        .full_duplex_call(received(requests))
        .await;
    let mut answers = answers.unwrap().into_inner();
    assert_eq!(length(answers.message().await.unwrap()), Some(ANSWERED[0]));
    open_calls(&channel, 1).await;
    // hyper resets a stream when nobody holds either of its directions.
    drop((answers, ask));
    open_calls(&channel, 0).await;
}

async fn timeout_on_sleeping_server(channel: Channel) {
    let (ask, requests) = mpsc::channel(1);
    let request = StreamingOutputCallRequest {
        payload: Some(zeros(ASKED[0])),
        ..Default::default()
    };
    ask.send(request).await.unwrap();
    let mut call = Request::new(received(requests));
    call.set_timeout(Duration::from_millis(1));
    let answered = Client::new(channel.clone()).full_duplex_call(call).await;
    let status = answered.map(drop).unwrap_err();
    // The description wants the code DEADLINE_EXCEEDED; tonic 0.14 says CANCELLED with this text, over whatever it speaks.
    let is_late = told(&status) == (Code::Cancelled, "Timeout expired");
    assert!(
        is_late || status.code() == Code::DeadlineExceeded,
        "{status:?}"
    );
    open_calls(&channel, 0).await;
}

/// Waits until so many calls are open at the server.
pub async fn open_calls(channel: &Channel, count: usize) {
    let mut client = Client::new(channel.clone());
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = client.empty_call(Empty {}).await.unwrap();
        let open = answer.metadata().get(OPEN_CALLS).unwrap();
        let open: usize = open.to_str().unwrap().parse().unwrap();
        if open == count {
            return;
        }
        assert!(Instant::now() < until, "{open} calls are open, not {count}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What comes out of a channel, as a stream.
pub fn received<T: Send + 'static>(
    channel: mpsc::Receiver<T>,
) -> impl stream::Stream<Item = T> + Send + 'static {
    stream::unfold(channel, async |mut channel| {
        channel.recv().await.map(|next| (next, channel))
    })
}

/// One request of the case `ping_pong`, of four.
pub fn ping(number: usize) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: vec![sized(ANSWERED[number])],
        payload: Some(zeros(ASKED[number])),
        ..Default::default()
    }
}

/// An answer of so many bytes.
pub fn sized(size: i32) -> ResponseParameters {
    ResponseParameters {
        size,
        interval_us: 0,
    }
}

/// How many bytes were answered.
pub fn length(answer: Option<StreamingOutputCallResponse>) -> Option<i32> {
    let body = answer?.payload?.body;
    i32::try_from(body.len()).ok()
}

fn large() -> SimpleRequest {
    SimpleRequest {
        response_size: LARGE_ANSWER,
        payload: Some(zeros(LARGE_REQUEST)),
        ..Default::default()
    }
}

fn failing(message: &str) -> SimpleRequest {
    SimpleRequest {
        response_status: Some(EchoStatus {
            code: Code::Unknown as i32,
            message: message.to_owned(),
        }),
        ..Default::default()
    }
}

fn zeros(size: usize) -> Payload {
    Payload {
        body: vec![0; size],
        ..Default::default()
    }
}

fn told(status: &Status) -> (Code, &str) {
    (status.code(), status.message())
}
