//! Where a plan runs, for nodes that have to know: extensions of a session's configuration.

/// Which of a stage's tasks a plan runs in. Without it, in the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskSlot {
    /// From 0.
    pub index: usize,
    /// Of so many.
    pub count: usize,
}

/// How many tasks a stage of the session's plans has at most. Without it, one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTasks(pub usize);

/// Plans of the session may be sent to other processes: what cannot travel is refused when it is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteTasks;
