//! The theorems of `policies/theorems.toml`, proved about the shipped access policies by the symbolic compiler of Cedar and the solver cvc5.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test ends loudly, prints, and documents itself by its names"
)]

use cedar_policy::{PolicySet, Schema};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::process::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Theorems {
    theorem: Vec<Theorem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Theorem {
    id: String,
    statement: String,
    actions: Vec<String>,
    principal: Option<String>,
    only_if: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The solver: the program named by `CVC5`, else the library that `scripts/needs.sh test` installs below `.tools`.
fn solver() -> LocalSolver {
    let mut command = if let Ok(program) = std::env::var("CVC5") {
        let mut command = Command::new(program);
        command.args(["--lang", "smt", "--incremental", "--tlimit=60000"]);
        command
    } else {
        let python = root().join(".tools/bin/python");
        assert!(python.exists(), "the solver is missing: `scripts/needs.sh test` installs it, or set CVC5");
        let mut command = Command::new(python);
        command.arg(root().join("scripts/smt.py"));
        command
    };
    LocalSolver::from_command(command.kill_on_drop(true)).expect("the solver starts")
}

fn schema() -> Schema {
    let text = fs::read_to_string(root().join("policies/access/bedside.cedarschema")).expect("the schema");
    Schema::from_cedarschema_str(&text).expect("a schema").0
}

/// Every shipped policy, as one text.
fn shipped() -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("policies/access")).expect("folder").map(|f| f.expect("file").path()).collect();
    files.sort();
    let cedar = files.iter().filter(|path| path.extension().is_some_and(|e| e == "cedar"));
    cedar.map(|path| fs::read_to_string(path).expect("a policy")).collect::<Vec<_>>().join("\n")
}

fn theorems() -> Vec<Theorem> {
    let text = fs::read_to_string(root().join("policies/theorems.toml")).expect("the theorems");
    toml::from_str::<Theorems>(&text).expect("theorems").theorem
}

/// Tries to prove a theorem; gives a request that contradicts it otherwise, and how many kinds of request it was proved for.
async fn prove(theorem: &Theorem, policies: &str) -> (usize, Option<String>) {
    let schema = schema();
    let allowed = PolicySet::from_str(policies).expect("policies");
    let claimed = format!("permit (principal, action, resource) when {{ {} }};", theorem.only_if);
    let claimed = PolicySet::from_str(&claimed).expect("a condition");
    let mut compiler = CedarSymCompiler::new(solver()).expect("a compiler");
    let mut proved = 0;
    for env in schema.request_envs() {
        let action = env.action().id().unescaped().to_owned();
        let principal = env.principal().basename().to_owned();
        let about = (theorem.actions.is_empty() || theorem.actions.contains(&action))
            && theorem.principal.as_ref().is_none_or(|wanted| *wanted == principal);
        if !about {
            continue;
        }
        let ours = CompiledPolicySet::compile(&allowed, &env, &schema).expect("the policies compile");
        let theirs = CompiledPolicySet::compile(&claimed, &env, &schema).unwrap_or_else(|e| panic!("{}: {e}", theorem.id));
        let found = compiler.check_implies_with_counterexample_opt(&ours, &theirs).await;
        match found.unwrap_or_else(|e| panic!("{}: {e}", theorem.id)) {
            None => proved += 1,
            Some(counterexample) => return (proved, Some(format!("{principal} {action}:\n{counterexample}"))),
        }
    }
    (proved, None)
}

#[tokio::test]
async fn every_theorem_holds_of_the_shipped_policies() {
    let (theorems, policies) = (theorems(), shipped());
    assert!(theorems.len() >= 16);
    let mut broken = Vec::new();
    for theorem in &theorems {
        let (proved, counterexample) = prove(theorem, &policies).await;
        match counterexample {
            None => {
                assert!(proved > 0, "{} is about no request there is", theorem.id);
                println!("{}: proved for {proved} kinds of request", theorem.id);
            }
            Some(counterexample) => broken.push(format!("{}: {}\nbut the policies allow {counterexample}", theorem.id, theorem.statement)),
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

/// The proof can fail: an edit that breaks a theorem is met with a request that shows it.
#[tokio::test]
async fn an_edit_that_breaks_a_theorem_is_shown_by_a_counterexample() {
    let added = [
        (
            "administrators-never-play",
            r#"permit (principal is Bedside::Account, action == Bedside::Action::"play_recording", resource) when { principal.role == "records_officer" || principal.role == "administrator" };"#,
        ),
        (
            "playback-needs-consent-and-a-reason",
            r#"permit (principal is Bedside::Account, action == Bedside::Action::"play_recording", resource is Bedside::Recording) when { principal.role == "clinician" };"#,
        ),
        (
            "the-invited-manage-nothing",
            r#"permit (principal is Bedside::Participant, action == Bedside::Action::"manage_participants", resource);"#,
        ),
        (
            "nobody-unknown-does-anything",
            r#"permit (principal is Bedside::Anonymous, action == Bedside::Action::"read_policies", resource);"#,
        ),
    ];
    for (id, edit) in added {
        let theorem = theorems().into_iter().find(|one| one.id == id).expect("the theorem");
        let (_, counterexample) = prove(&theorem, &format!("{}\n{edit}", shipped())).await;
        // the forbid of oversight.cedar still keeps administrators from playing
        if id == "administrators-never-play" {
            assert!(counterexample.is_none());
            let without = shipped().replace(
                "forbid (\n    principal is Bedside::Account,\n    action == Bedside::Action::\"play_recording\"",
                "permit (\n    principal is Bedside::Account,\n    action == Bedside::Action::\"play_recording\"",
            );
            let (_, found) = prove(&theorem, &without).await;
            assert!(found.expect("a counterexample").contains("administrator"));
        } else {
            let found = counterexample.unwrap_or_else(|| panic!("{id} still holds"));
            assert!(found.contains("Bedside::"), "{found}");
        }
    }
    let held = theorems().into_iter().find(|one| one.id == "no-erasure-under-a-hold").expect("the theorem");
    let without = shipped().replace("when { resource.held };", "when { resource.held && false };");
    assert!(prove(&held, &without).await.1.expect("a counterexample").contains("erase_recording"));
}
