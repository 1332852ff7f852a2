//! The service that the cases call.

use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::pb::test_service_server::TestService;
use crate::pb::{
    EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, SimpleResponse,
    StreamingInputCallRequest, StreamingInputCallResponse, StreamingOutputCallRequest,
    StreamingOutputCallResponse,
};

/// Answers as the descriptions of the cases say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers;

type Answered<T> = Result<Response<T>, Status>;
type Answering = Pin<Box<dyn Stream<Item = Result<StreamingOutputCallResponse, Status>> + Send>>;

#[tonic::async_trait]
impl TestService for Answers {
    type StreamingOutputCallStream = Answering;
    type FullDuplexCallStream = Answering;

    async fn empty_call(&self, _: Request<Empty>) -> Answered<Empty> {
        Ok(Response::new(Empty {}))
    }

    async fn unary_call(&self, request: Request<SimpleRequest>) -> Answered<SimpleResponse> {
        let request = request.into_inner();
        heed(request.response_status)?;
        let payload = Some(payload(request.response_size)?);
        Ok(Response::new(SimpleResponse { payload }))
    }

    async fn streaming_output_call(
        &self,
        request: Request<StreamingOutputCallRequest>,
    ) -> Answered<Answering> {
        let wanted = request.into_inner().response_parameters;
        Ok(Response::new(Box::pin(
            stream::iter(wanted).then(async |one| answer(&one).await),
        )))
    }

    async fn streaming_input_call(
        &self,
        request: Request<Streaming<StreamingInputCallRequest>>,
    ) -> Answered<StreamingInputCallResponse> {
        let mut requests = request.into_inner();
        let mut all = 0;
        while let Some(request) = requests.message().await? {
            all += request.payload.map_or(0, |payload| payload.body.len());
        }
        let aggregated_payload_size =
            i32::try_from(all).map_err(|_| Status::out_of_range("more than 2 GiB"))?;
        Ok(Response::new(StreamingInputCallResponse {
            aggregated_payload_size,
        }))
    }

    /// It begins to answer when it has something to say: a call of which nobody says what is wanted of it is not answered.
    async fn full_duplex_call(
        &self,
        request: Request<Streaming<StreamingOutputCallRequest>>,
    ) -> Answered<Answering> {
        let mut requests = request.into_inner();
        let first = wanted(&mut requests).await?.unwrap_or_default();
        let begun = (requests, first.into_iter());
        let answers = stream::try_unfold(begun, async |(mut requests, mut left)| {
            loop {
                if let Some(one) = left.next() {
                    return Ok(Some((answer(&one).await?, (requests, left))));
                }
                match wanted(&mut requests).await? {
                    Some(more) => left = more.into_iter(),
                    None => return Ok(None),
                }
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn unimplemented_call(&self, _: Request<Empty>) -> Answered<Empty> {
        Err(Status::unimplemented("as the cases want it"))
    }
}

/// What the next request that wants something wants. `None`: there is none.
async fn wanted(
    requests: &mut Streaming<StreamingOutputCallRequest>,
) -> Result<Option<Vec<ResponseParameters>>, Status> {
    while let Some(request) = requests.message().await? {
        heed(request.response_status)?;
        if !request.response_parameters.is_empty() {
            return Ok(Some(request.response_parameters));
        }
    }
    Ok(None)
}

async fn answer(wanted: &ResponseParameters) -> Result<StreamingOutputCallResponse, Status> {
    if let Ok(pause @ 1..) = u64::try_from(wanted.interval_us) {
        tokio::time::sleep(Duration::from_micros(pause)).await;
    }
    let payload = Some(payload(wanted.size)?);
    Ok(StreamingOutputCallResponse { payload })
}

/// So many zeros.
fn payload(size: i32) -> Result<Payload, Status> {
    let size = usize::try_from(size).map_err(|_| Status::invalid_argument("a negative size"))?;
    Ok(Payload {
        body: vec![0; size],
        ..Payload::default()
    })
}

fn heed(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(wanted) => Err(Status::new(Code::from_i32(wanted.code), wanted.message)),
        None => Ok(()),
    }
}
