use std::fmt;
use std::time::Duration;

/// The kinds of actor, in the order in which root starts them; it stops them in reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Owns the databases.
    Store,
    /// Decides which headers and blocks connect.
    Chain,
    /// Answers for coins, and flushes them.
    Utxo,
    /// Builds the indexes.
    Index,
    /// Holds transactions that wait for a block.
    Mempool,
    /// Builds what is mined.
    Template,
    /// Keeps the books.
    Payout,
    /// Other nodes: the manager, and one a connection.
    Peer,
    /// Miners: the manager, and one a session.
    Stratum,
    /// The control interface.
    Rpc,
}

impl Role {
    /// All roles in starting order.
    pub const ALL: [Role; 10] = [
        Role::Store,
        Role::Chain,
        Role::Utxo,
        Role::Index,
        Role::Mempool,
        Role::Template,
        Role::Payout,
        Role::Peer,
        Role::Stratum,
        Role::Rpc,
    ];

    /// The word that operators type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Store => "store",
            Role::Chain => "chain",
            Role::Utxo => "utxo",
            Role::Index => "index",
            Role::Mempool => "mempool",
            Role::Template => "template",
            Role::Payout => "payout",
            Role::Peer => "peer",
            Role::Stratum => "stratum",
            Role::Rpc => "rpc",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who is built again when a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The child alone.
    OneForOne,
    /// The child, and every child of a later role that runs with this strategy too, since it was built on what is gone.
    RestForOne,
}

/// What follows when a child restarts more often than its intensity allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExceeded {
    /// The process ends: the node does not work without this child.
    EndProcess,
    /// The child stays dead: one of many, fed by somebody outside, who must not be able to end the process.
    StopChild,
}

/// How many restarts are borne before the process ends: more than `restarts_max` within `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts that are still borne within the period.
    pub restarts_max: u32,
    /// The period.
    pub period: Duration,
}

impl Default for Intensity {
    /// 30 in 5 seconds: a panic that comes back with every restart is through it in milliseconds; a poisonous message now and
    /// then, or an operator who tries what happens, is not.
    fn default() -> Self {
        Intensity { restarts_max: 30, period: Duration::from_secs(5) }
    }
}

/// One of many is built again in microseconds, and only its own miner or peer can make it panic: it may do so six times a
/// second.
const ONE_OF_MANY_INTENSITY: Intensity = Intensity { restarts_max: 30, period: Duration::from_secs(5) };

/// What the supervisor must know of a child.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    /// Unique among the living: the role's word, or role-number for one of many (`stratum-17`).
    pub name: String,
    /// Its kind.
    pub role: Role,
    /// Who else is built again.
    pub strategy: Strategy,
    /// When restarts don't help.
    pub intensity: Intensity,
    /// What follows then.
    pub on_exceeded: OnExceeded,
    /// Messages that may wait; each actor says why it is this many.
    pub mailbox_max: usize,
    /// How long it may take to stop.
    pub shutdown: Duration,
}

impl ChildSpec {
    /// The one actor of a role, without which the node does not work; it alone is built again.
    pub fn of_role(role: Role, mailbox_max: usize, shutdown: Duration, intensity: Intensity) -> ChildSpec {
        ChildSpec {
            name: role.as_str().to_owned(),
            role,
            strategy: Strategy::OneForOne,
            intensity,
            on_exceeded: OnExceeded::EndProcess,
            mailbox_max,
            shutdown,
        }
    }

    /// One of many of a role: somebody outside feeds it, who must not be able to end the process.
    pub fn one_of_many(role: Role, number: u64, mailbox_max: usize, shutdown: Duration) -> ChildSpec {
        ChildSpec {
            name: format!("{role}-{number}"),
            on_exceeded: OnExceeded::StopChild,
            ..ChildSpec::of_role(role, mailbox_max, shutdown, ONE_OF_MANY_INTENSITY)
        }
    }
}
