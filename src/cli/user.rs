//! `bedside user`: staff accounts, from the machine itself. The same operations as on the administrator's pages, with the same audit.

use crate::cli::settings::{Settings, block_on};
use crate::config::Config;
use crate::domain::access::{
    AccountRole, Caller, CreateAccount, ManageAccount, Operation, Permit, ReadAccess, ReadAccounts, SuspendAccount,
};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::services::Services;
use crate::services::accounts::Overview;
use crate::services::error::ServiceError;
use crate::startup::{Parts, open_services};
use crate::storage::accounts::Account;
use clap::{Args, Subcommand};
use serde_json::json;
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::Arc;

const ROLES: &str = "the role must be clinician, scheduler, auditor, records_officer or administrator";

/// One account, and where things are.
#[derive(Args)]
pub struct Named {
    /// The name it signs in with.
    username: String,
    /// Where things are.
    #[command(flatten)]
    settings: Settings,
}

/// What can be done with accounts.
#[derive(Subcommand)]
pub enum User {
    /// Make an account with a password, or give an existing one a new password. The password is read from standard input, one line.
    Add {
        /// The name to sign in with.
        username: String,
        /// The name others see.
        #[arg(long)]
        name: String,
        /// clinician, scheduler, auditor, `records_officer` or administrator.
        #[arg(long)]
        role: String,
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
    /// Make an account without a password, and print the single-use link with which its owner sets one.
    Invite {
        /// The name to sign in with.
        username: String,
        /// The name others see.
        #[arg(long)]
        name: String,
        /// clinician, scheduler, auditor, `records_officer` or administrator.
        #[arg(long)]
        role: String,
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
    /// List every account.
    List {
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
    /// Give an account another role. Its sign-in sessions end.
    Role {
        /// clinician, scheduler, auditor, `records_officer` or administrator.
        #[arg(long)]
        role: String,
        /// Which account.
        #[command(flatten)]
        named: Named,
    },
    /// Suspend an account: its sessions, connections and media end at once, also on a running server.
    Suspend(Named),
    /// Let a suspended account act again.
    Restore(Named),
    /// Take an account's password away, and print the single-use link with which its owner sets a new one.
    ResetPassword(Named),
    /// Remove an account's second factors, for someone who lost them.
    ResetFactors(Named),
    /// Who can do what: the access review, as JSON.
    Access {
        /// Where things are.
        #[command(flatten)]
        settings: Settings,
    },
}

impl User {
    pub(super) fn run(self) -> Result<(), String> {
        match self {
            Self::Add { username, name, role, settings } => add(&username, &name, &role, settings),
            Self::Invite { username, name, role, settings } => on(settings, async |services| {
                let permit = services.permit::<CreateAccount>(&Caller::system()).await.map_err(said)?;
                let (account, link, until) = services.create_account(&permit, &username, &name, parsed(&role)?).await.map_err(said)?;
                Ok(format!("{} can set a password until {} at\n{}\n", account.username, text(until), link.expose()))
            }),
            Self::List { settings } => on(settings, async |services| {
                let permit = services.permit::<ReadAccounts>(&Caller::system()).await.map_err(said)?;
                let all = services.accounts(&permit).await.map_err(said)?.into_inner();
                let mut table = vec![format!("{:<24} {:<16} {:<10} {:<20} NAME\n", "USERNAME", "ROLE", "STATUS", "LAST SIGN-IN")];
                for Overview { account: a, .. } in all {
                    let status = if a.active { "active" } else { "suspended" };
                    let last = a.last_sign_in_at.map_or_else(|| "never".to_owned(), text);
                    table.push(format!("{:<24} {:<16} {status:<10} {last:<20} {}\n", a.username, a.role.as_str(), a.display_name));
                }
                Ok(table.concat())
            }),
            Self::Role { role, named } => on_account::<ManageAccount>(named, async |services, permit, account| {
                let role = parsed(&role)?;
                services.change_account(permit, account, &account.display_name, role).await.map_err(said)?;
                Ok(format!("{} is now {}.\n", account.username, role.as_str()))
            }),
            Self::Suspend(named) => on_account::<SuspendAccount>(named, async |services, permit, account| {
                services.suspend_account(permit, account).await.map_err(said)?;
                Ok(format!("{} is suspended.\n", account.username))
            }),
            Self::Restore(named) => on_account::<ManageAccount>(named, async |services, permit, account| {
                services.restore_account(permit, account).await.map_err(said)?;
                Ok(format!("{} may sign in again.\n", account.username))
            }),
            Self::ResetPassword(named) => on_account::<ManageAccount>(named, async |services, permit, account| {
                let (link, until) = services.reset_password(permit, account).await.map_err(said)?;
                Ok(format!("{} can set a new password until {} at\n{}\n", account.username, text(until), link.expose()))
            }),
            Self::ResetFactors(named) => on_account::<ManageAccount>(named, async |services, permit, account| {
                services.reset_factors(permit, account).await.map_err(said)?;
                Ok(format!("{} has no second factor any more.\n", account.username))
            }),
            Self::Access { settings } => on(settings, async |services| {
                let permit = services.permit::<ReadAccess>(&Caller::system()).await.map_err(said)?;
                let users = services.access_review(&permit).await.map_err(said)?.into_inner();
                let users: Vec<_> = users
                    .into_iter()
                    .map(|(Overview { account: a, .. }, may)| {
                        let may: Vec<_> =
                            may.into_iter().map(|(operation, reach)| json!({"operation": operation, "reach": reach})).collect();
                        json!({"username": a.username, "display_name": a.display_name, "role": a.role, "active": a.active,
                               "last_sign_in_at": a.last_sign_in_at, "may": may})
                    })
                    .collect();
                let review = json!({"policy_digest": permit.policy_digest(), "made_at": services.now(), "users": users});
                serde_json::to_string_pretty(&review).map(|text| text + "\n").map_err(|e| e.to_string())
            }),
        }
    }
}

fn parsed(role: &str) -> Result<AccountRole, String> {
    AccountRole::parse(role).ok_or_else(|| ROLES.to_owned())
}

fn text(at: Timestamp) -> String {
    let told = serde_json::to_value(at).ok().and_then(|value| value.as_str().map(ToOwned::to_owned)).unwrap_or_default();
    told.get(..16).map(|minute| minute.replace('T', " ")).unwrap_or(told)
}

/// In words for the operator.
fn said(error: ServiceError) -> String {
    match error {
        ServiceError::Validation(fields) => {
            fields.iter().map(|field| format!("{} {}", field.name, field.message)).collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

fn on(settings: Settings, work: impl AsyncFnOnce(&Arc<Services>) -> Result<String, String>) -> Result<(), String> {
    let config = settings.over(Config::default())?;
    block_on(async move {
        let origin = config.public_origin.clone().unwrap_or_else(|| format!("http://localhost:{}", config.listen.port()));
        let (services, _) = open_services(&config, origin, Parts::default()).await.map_err(|e| e.to_string())?;
        let answer = work(&services).await?;
        write!(io::stdout(), "{answer}").map_err(|e| e.to_string())
    })
}

fn on_account<O: Operation>(
    named: Named,
    work: impl AsyncFnOnce(&Arc<Services>, &Permit<O>, &Account) -> Result<String, String>,
) -> Result<(), String> {
    let Named { username, settings } = named;
    on(settings, async |services| {
        let account = services.account_named(&username).await.map_err(said)?;
        let (permit, account) = services.permit_account::<O>(&Caller::system(), account.id).await.map_err(said)?;
        work(services, &permit, &account).await
    })
}

fn add(username: &str, name: &str, role: &str, settings: Settings) -> Result<(), String> {
    let role = parsed(role)?;
    if io::stdin().is_terminal() {
        write!(io::stderr(), "Password (visible while you type): ").map_err(|e| e.to_string())?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|e| e.to_string())?;
    let password = Secret::new(line.trim_end_matches(['\r', '\n']).to_owned());
    on(settings, async |services| {
        services.ensure_account(username, name, role, password).await.map_err(said)?;
        Ok(format!("{username} can sign in as {}.\n", role.as_str()))
    })
}
