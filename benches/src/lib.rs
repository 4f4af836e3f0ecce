//! How fast Plumb is, beside other tools on the same work.
//!
//! ```text
//! requests      what is asked for, as plain data: N requests in three environments
//!   -> workload    the same as a workspace of Plumb
//!   -> notation    the same as a program of each peer
//! peers         how the other tools are found and called
//! measure       what a program costs
//! objects       whether two programs say the same
//! printing      the floor: what it costs to print what is finished
//! bare          the floor: a client of a cluster that only sends
//! follower      `plumb apply --watch` as it runs, by its log
//! audit         what an API server was asked
//! ```
//!
//! Whoever times something checks first that its result is the right one: a fast wrong answer is
//! worth nothing.

pub mod audit;
pub mod bare;
pub mod follower;
pub mod measure;
pub mod notation;
pub mod objects;
pub mod peers;
pub mod printing;
pub mod requests;
pub mod workload;
