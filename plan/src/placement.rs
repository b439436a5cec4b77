//! Where a plan runs, for nodes that have to know: extensions of a session's configuration.

/// Which of a stage's tasks a plan runs in. Without it, in the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskSlot {
    /// From 0.
    pub index: usize,
    /// Of so many.
    pub count: usize,
}

/// Plans of the session may be sent to other processes: what cannot travel is refused when it is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteTasks;
