//! Executors, sessions and the turns of queries, without any I/O.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use weir_proto::cluster::Executor;

/// A session, by the order in which it came.
pub(super) type SessionId = u64;

/// What a session asks of executors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Threads of each.
    pub(super) cores: u32,
    /// Memory of each, in bytes.
    pub(super) memory_bytes: u64,
    /// How many; 0: all.
    pub(super) executors: u32,
}

/// What is to be told after a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Told {
    /// The executors of a session.
    Executors(SessionId, Vec<Executor>),
    /// A query's turn.
    Granted(SessionId, u64),
    /// No query runs any longer on an executor that wants to leave.
    Released(String),
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Book {
    executors: BTreeMap<String, Executor>,
    sessions: BTreeMap<SessionId, SessionEntry>,
    last_session: SessionId,
    turns: u64,
}

#[derive(Debug, Default)]
struct SessionEntry {
    needs: Needs,
    /// The ids of its executors.
    executors: BTreeSet<String>,
    waiting: VecDeque<u64>,
    /// Its running queries, with the executors on which each holds a slot.
    running: BTreeMap<u64, BTreeSet<String>>,
    /// When it had a turn last.
    last_turn: u64,
}

impl Book {
    /// An executor is there.
    pub(super) fn join(&mut self, executor: Executor) -> Vec<Told> {
        self.executors.insert(executor.id.clone(), executor);
        self.changed()
    }

    /// An executor wants to leave: no further query gets it.
    pub(super) fn leave(&mut self, id: &str) -> Vec<Told> {
        if let Some(executor) = self.executors.get_mut(id) {
            executor.leaving = true;
        }
        self.changed()
    }

    /// An executor is gone.
    pub(super) fn lost(&mut self, id: &str) -> Vec<Told> {
        self.executors.remove(id);
        for session in self.sessions.values_mut() {
            for slots in session.running.values_mut() {
                slots.remove(id);
            }
        }
        self.changed()
    }

    /// A session is there, with the queries that `running` names.
    pub(super) fn attach(&mut self, needs: Needs, running: &[u64]) -> (SessionId, Vec<Told>) {
        self.last_session += 1;
        let id = self.last_session;
        let entry = SessionEntry {
            needs,
            last_turn: self.turns,
            ..SessionEntry::default()
        };
        self.sessions.insert(id, entry);
        let mut told = self.assign();
        // They run whether there is a slot for them or not: a driver that was away finds them so.
        for query in running {
            self.grant(id, *query);
        }
        told.extend(self.turns());
        (id, told)
    }

    /// A session is gone.
    pub(super) fn detach(&mut self, id: SessionId) -> Vec<Told> {
        self.sessions.remove(&id);
        self.changed()
    }

    /// A query waits for its turn.
    pub(super) fn wait(&mut self, id: SessionId, query: u64) -> Vec<Told> {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.waiting.push_back(query);
        }
        self.turns()
    }

    /// A query has ended, or waits no longer.
    pub(super) fn end(&mut self, id: SessionId, query: u64) -> Vec<Told> {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.running.remove(&query);
            session.waiting.retain(|waiting| *waiting != query);
        }
        self.turns()
    }

    /// All executors, with the number of their queries.
    pub(super) fn executors(&self) -> Vec<Executor> {
        let held = self.held();
        let executors = self.executors.values().cloned();
        executors
            .map(|mut executor| {
                executor.queries = held.get(&executor.id).copied().unwrap_or(0);
                executor
            })
            .collect()
    }

    /// How many queries wait.
    pub(super) fn waiting(&self) -> usize {
        self.sessions
            .values()
            .map(|session| session.waiting.len())
            .sum()
    }

    fn changed(&mut self) -> Vec<Told> {
        let mut told = self.assign();
        told.extend(self.turns());
        told
    }

    /// Gives each session its executors: those it has, while they are there, and others up to its number,
    /// the least used first.
    fn assign(&mut self) -> Vec<Told> {
        let mut users: BTreeMap<String, usize> = BTreeMap::new();
        for session in self.sessions.values() {
            for id in &session.executors {
                *users.entry(id.clone()).or_default() += 1;
            }
        }
        let mut told = Vec::new();
        for (id, session) in &mut self.sessions {
            let fits = |executor: &&Executor| {
                !executor.leaving
                    && executor.cores >= session.needs.cores
                    && executor.memory_bytes >= session.needs.memory_bytes
            };
            let mut fitting: Vec<&Executor> = self.executors.values().filter(fits).collect();
            fitting.sort_by_key(|executor| {
                let used = users.get(&executor.id).copied().unwrap_or(0);
                (!session.executors.contains(&executor.id), used)
            });
            if session.needs.executors > 0 {
                fitting.truncate(session.needs.executors as usize);
            }
            let chosen: BTreeSet<String> = fitting.iter().map(|e| e.id.clone()).collect();
            if chosen == session.executors {
                continue;
            }
            for executor in chosen.difference(&session.executors) {
                *users.entry(executor.clone()).or_default() += 1;
            }
            let mut executors: Vec<Executor> = fitting.into_iter().cloned().collect();
            executors.sort_by(|a, b| a.url.cmp(&b.url));
            told.push(Told::Executors(*id, executors));
            session.executors = chosen;
        }
        told
    }

    /// Grants what can be granted, a session after the other, the one whose last turn is longest ago first.
    /// What a session waits for is kept for it from those after it.
    fn turns(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        'turns: loop {
            let held = self.held();
            let mut kept: BTreeSet<&str> = BTreeSet::new();
            let mut order: Vec<(&SessionId, &SessionEntry)> = self.sessions.iter().collect();
            order.sort_by_key(|(id, session)| (session.last_turn, **id));
            for (id, session) in order {
                let Some(query) = session.waiting.front().copied() else {
                    continue;
                };
                let free = |executor: &String| {
                    let slots = self.executors.get(executor).map_or(0, |e| e.slots);
                    held.get(executor).copied().unwrap_or(0) < slots
                        && !kept.contains(executor.as_str())
                };
                if !session.executors.is_empty() && session.executors.iter().all(free) {
                    let id = *id;
                    self.grant(id, query);
                    told.push(Told::Granted(id, query));
                    continue 'turns;
                }
                kept.extend(session.executors.iter().map(String::as_str));
            }
            break;
        }
        let held = self.held();
        let leaving = self.executors.values().filter(|executor| executor.leaving);
        let free = leaving.filter(|executor| !held.contains_key(&executor.id));
        told.extend(free.map(|executor| Told::Released(executor.id.clone())));
        told
    }

    fn grant(&mut self, id: SessionId, query: u64) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        self.turns += 1;
        session.last_turn = self.turns;
        session.waiting.retain(|waiting| *waiting != query);
        session.running.insert(query, session.executors.clone());
    }

    /// The slots that are taken.
    fn held(&self) -> BTreeMap<String, u32> {
        let mut held = BTreeMap::new();
        let running = self
            .sessions
            .values()
            .flat_map(|session| session.running.values());
        for id in running.flatten() {
            *held.entry(id.clone()).or_default() += 1;
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executor(id: &str, slots: u32) -> Executor {
        Executor {
            id: id.to_owned(),
            url: format!("http://{id}"),
            cores: 2,
            slots,
            memory_bytes: 1 << 30,
            queries: 0,
            leaving: false,
        }
    }

    fn ids(told: &[Told]) -> Vec<Vec<&str>> {
        let executors = told.iter().filter_map(|told| match told {
            Told::Executors(_, executors) => Some(executors),
            _ => None,
        });
        executors
            .map(|executors| executors.iter().map(|e| e.id.as_str()).collect())
            .collect()
    }

    fn granted(told: &[Told]) -> Vec<(SessionId, u64)> {
        let granted = told.iter().filter_map(|told| match told {
            Told::Granted(session, query) => Some((*session, *query)),
            _ => None,
        });
        granted.collect()
    }

    #[test]
    fn sessions_take_turns_however_many_queries_one_of_them_has_waiting() {
        let mut book = Book::default();
        book.join(executor("a", 1));
        let (one, _) = book.attach(Needs::default(), &[]);
        let (two, _) = book.attach(Needs::default(), &[]);
        assert_eq!(granted(&book.wait(one, 1)), [(one, 1)]);
        for query in 2..5 {
            assert_eq!(granted(&book.wait(one, query)), []);
        }
        assert_eq!(granted(&book.wait(two, 1)), []);
        assert_eq!(book.waiting(), 4);
        assert_eq!(granted(&book.end(one, 1)), [(two, 1)]);
        assert_eq!(granted(&book.end(two, 1)), [(one, 2)]);
        assert_eq!(granted(&book.end(one, 2)), [(one, 3)]);
        // One that gives up while it waits.
        assert_eq!(granted(&book.end(one, 4)), []);
        assert_eq!(granted(&book.end(one, 3)), []);
        assert_eq!(book.waiting(), 0);
    }

    #[test]
    fn query_that_waits_for_many_executors_is_not_overtaken() {
        let mut book = Book::default();
        book.join(executor("a", 1));
        let one_only = Needs {
            executors: 1,
            ..Needs::default()
        };
        let (small, _) = book.attach(one_only, &[]);
        let (large, _) = book.attach(Needs::default(), &[]);
        book.join(executor("b", 1));
        assert_eq!(granted(&book.wait(small, 1)), [(small, 1)]);
        assert_eq!(granted(&book.wait(large, 1)), []);
        // `a` is free for it, but `large` has waited longer.
        book.wait(small, 2);
        assert_eq!(granted(&book.end(small, 1)), [(large, 1)]);
        assert_eq!(granted(&book.end(large, 1)), [(small, 2)]);
    }

    #[test]
    fn session_gets_executors_that_fit_and_others_for_those_that_are_lost() {
        let mut book = Book::default();
        for id in ["a", "b", "c"] {
            book.join(executor(id, 1));
        }
        let needs = Needs {
            executors: 2,
            cores: 2,
            memory_bytes: 0,
        };
        let (_, told) = book.attach(needs, &[]);
        assert_eq!(ids(&told), [["a", "b"]]);
        assert_eq!(ids(&book.lost("a")), [["b", "c"]]);
        let large = Needs {
            cores: 3,
            ..Needs::default()
        };
        let (session, told) = book.attach(large, &[]);
        assert_eq!(
            (ids(&told), granted(&book.wait(session, 1))),
            (vec![], vec![])
        );
        let mut four = executor("d", 1);
        four.cores = 4;
        let told = book.join(four);
        assert_eq!(
            (ids(&told), granted(&told)),
            (vec![vec!["d"]], vec![(session, 1)])
        );
    }

    #[test]
    fn executor_that_leaves_gets_no_query_and_is_released_when_its_last_has_ended() {
        let mut book = Book::default();
        book.join(executor("a", 1));
        book.join(executor("b", 1));
        let (session, _) = book.attach(Needs::default(), &[]);
        assert_eq!(granted(&book.wait(session, 1)), [(session, 1)]);
        assert_eq!(ids(&book.leave("a")), [["b"]]);
        let released = Told::Released("a".to_owned());
        assert!(!book.wait(session, 2).contains(&released));
        let told = book.end(session, 1);
        assert_eq!(granted(&told), [(session, 2)]);
        assert!(told.contains(&released));
    }

    #[test]
    fn what_a_session_held_is_free_when_it_goes_and_counted_when_it_comes_back() {
        let mut book = Book::default();
        book.join(executor("a", 1));
        let (one, _) = book.attach(Needs::default(), &[7]);
        let (two, _) = book.attach(Needs::default(), &[]);
        assert_eq!(book.executors()[0].queries, 1);
        assert_eq!(granted(&book.wait(two, 1)), []);
        assert_eq!(granted(&book.detach(one)), [(two, 1)]);
        assert_eq!(book.lost("a"), [Told::Executors(two, Vec::new())]);
    }
}
