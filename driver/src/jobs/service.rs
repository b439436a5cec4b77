//! The job service on the wire.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};
use weir_plan::{Error, Result};
use weir_proto::jobs::job_service_server::{JobService, JobServiceServer};
use weir_proto::jobs::{
    FollowJob, Job, JobId, JobList, JobOutput, JobSpec, ListJobs, ProgramId, ProgramPart,
    ProgramStatus,
};
use weir_rpc::to_status;

use super::run::Jobs;
use super::spec::masked;

/// The gRPC service of `jobs`.
#[must_use]
pub fn job_server(jobs: Jobs) -> JobServiceServer<impl JobService> {
    JobServiceServer::new(Service(jobs))
}

struct Service(Jobs);

type Answer<T> = std::result::Result<Response<T>, Status>;

fn answer<T>(result: Result<T>) -> Answer<T> {
    result.map(Response::new).map_err(|error| to_status(&error))
}

#[tonic::async_trait]
impl JobService for Service {
    async fn find_program(&self, request: Request<ProgramId>) -> Answer<ProgramStatus> {
        let id = request.into_inner();
        let found = self.0.programs().find(&id.sha256).await;
        answer(found.map(|found| ProgramStatus {
            id: Some(id),
            stored: found.is_some(),
            bytes: found.map_or(0, |(_, bytes)| bytes),
        }))
    }

    async fn upload_program(
        &self,
        request: Request<Streaming<ProgramPart>>,
    ) -> Answer<ProgramStatus> {
        let mut parts = request.into_inner();
        let first = parts.message().await?.unwrap_or_default();
        let id = first.id.unwrap_or_default();
        let store = async {
            let mut program = self.0.programs().begin(&id.sha256).await?;
            program.write(&first.data).await?;
            while let Some(part) = parts.message().await.map_err(|status| {
                Error::invalid_argument("the upload broke off").with_source(status)
            })? {
                program.write(&part.data).await?;
            }
            program.finish().await
        };
        answer(store.await.map(|bytes| ProgramStatus {
            id: Some(id.clone()),
            stored: true,
            bytes,
        }))
    }

    async fn submit(&self, request: Request<JobSpec>) -> Answer<Job> {
        answer(self.0.submit(request.into_inner()).await.map(masked))
    }

    async fn get(&self, request: Request<JobId>) -> Answer<Job> {
        answer(self.0.get(&request.into_inner().id).map(masked))
    }

    async fn list(&self, request: Request<ListJobs>) -> Answer<JobList> {
        let limit = match request.into_inner().limit {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let jobs = self.0.list().into_iter().take(limit).map(masked);
        answer(Ok(JobList {
            jobs: jobs.collect(),
        }))
    }

    type FollowStream = BoxStream<'static, std::result::Result<JobOutput, Status>>;

    async fn follow(&self, request: Request<FollowJob>) -> Answer<Self::FollowStream> {
        let FollowJob { id, until_end } = request.into_inner();
        let output = self.0.follow(&id, until_end).await;
        answer(output.map(|output| {
            let output = output.map(|piece| piece.map_err(|error| to_status(&error)));
            output.boxed()
        }))
    }

    async fn cancel(&self, request: Request<JobId>) -> Answer<Job> {
        answer(self.0.cancel(&request.into_inner().id).map(masked))
    }
}
