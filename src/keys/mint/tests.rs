//! Changes of keys over a store that can fail, wait and be looked into.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::secret::hash_secret;
use super::super::table::{KeyFault, Keys, Team};
use super::super::{KeyDigest, MintedFuture};
use super::*;

const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;

/// Keeps keys as long as the test; each change needs a permit.
#[derive(Debug)]
struct Shelf {
    keys: Mutex<BTreeMap<String, MintedKey>>,
    uses: Mutex<BTreeMap<String, i64>>,
    fails: AtomicBool,
    permits: Semaphore,
}

impl Default for Shelf {
    fn default() -> Self {
        let permits = Semaphore::new(Semaphore::MAX_PERMITS);
        Self { keys: Mutex::default(), uses: Mutex::default(), fails: AtomicBool::new(false), permits }
    }
}

impl Shelf {
    fn change<'a>(
        &'a self,
        change: impl FnOnce(&mut BTreeMap<String, MintedKey>) + Send + 'a,
    ) -> MintedFuture<'a, ()> {
        Box::pin(async move {
            self.permits.acquire().await.unwrap().forget();
            if self.fails.load(Ordering::SeqCst) {
                return Err(MintedKeysError("disk full".to_owned()));
            }
            change(&mut self.keys.lock().unwrap());
            Ok(())
        })
    }

    fn ids(&self) -> Vec<String> {
        self.keys.lock().unwrap().keys().cloned().collect()
    }
}

impl MintedKeys for Shelf {
    fn all(&self) -> MintedFuture<'_, Vec<MintedKey>> {
        Box::pin(async { Ok(self.keys.lock().unwrap().values().cloned().collect()) })
    }

    fn add(&self, key: MintedKey) -> MintedFuture<'_, ()> {
        self.change(move |keys| drop(keys.insert(key.id.clone(), key)))
    }

    fn replace(&self, old: MintedKey, new: MintedKey) -> MintedFuture<'_, ()> {
        self.change(move |keys| keys.extend([old, new].map(|key| (key.id.clone(), key))))
    }

    fn remove(&self, ids: Vec<String>) -> MintedFuture<'_, ()> {
        self.change(move |keys| keys.retain(|id, _| !ids.contains(id)))
    }

    fn uses(&self) -> MintedFuture<'_, Vec<(String, i64)>> {
        Box::pin(async { Ok(self.uses.lock().unwrap().clone().into_iter().collect()) })
    }

    fn write_uses(&self, uses: Vec<(String, i64)>, _: i64) -> MintedFuture<'_, ()> {
        Box::pin(async move {
            self.uses.lock().unwrap().extend(uses);
            Ok(())
        })
    }
}

/// A mint at work.
struct House {
    mint: Mint,
    shelf: Arc<Shelf>,
    clock: Clock,
    _working: JoinSet<()>,
}

impl House {
    async fn over(shelf: Arc<Shelf>) -> Self {
        let clock = Clock::fixed(NOW);
        let (mint, work) = Mint::new(shelf.clone(), clock.clone());
        mint.take_up().await.unwrap();
        let mut working = JoinSet::new();
        working.spawn(work);
        Self { mint, shelf, clock, _working: working }
    }

    async fn new() -> Self {
        Self::over(Arc::default()).await
    }

    async fn minted(&self, name: &str) -> NewKey {
        self.mint.mint("design".into(), name.into(), None).await.unwrap()
    }

    /// Whether the secret opens the door.
    fn opens(&self, key: &NewKey) -> Result<(), KeyFault> {
        let keys = Keys::new([Team::new("design")], []).unwrap();
        keys.find(&self.mint.table(), key.secret.expose(), self.clock.now()).map(drop)
    }
}

fn stored(digest: KeyDigest, name: String, expires: Option<i64>) -> MintedKey {
    MintedKey {
        id: digest.short(),
        team: "design".into(),
        name,
        digest,
        created: at(NOW - 100 * DAY),
        expires: expires.map(at),
        replaced_by: None,
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[tokio::test]
async fn a_minted_key_opens_at_once_and_after_a_restart_until_it_is_revoked() {
    let house = House::new().await;
    let key = house.minted("ci").await;
    assert_eq!(house.opens(&key), Ok(()));
    assert_eq!((key.key.id.clone(), key.key.created), (key.secret.digest().short(), at(NOW)));
    assert!(!format!("{key:?} {:?}", house.mint).contains(key.secret.expose()));
    let house = House::over(Arc::clone(&house.shelf)).await;
    assert_eq!(house.opens(&key), Ok(()));
    house.mint.revoke(key.key.id.clone()).await.unwrap();
    assert_eq!(house.opens(&key), Err(KeyFault::Unknown));
    assert!(matches!(house.mint.revoke(key.key.id.clone()).await, Err(MintError::Unknown)));
    assert!(matches!(
        house.mint.rotate(key.key.id.clone(), Duration::ZERO, None).await,
        Err(MintError::Unknown)
    ));
    let house = House::over(Arc::clone(&house.shelf)).await;
    assert_eq!(house.opens(&key), Err(KeyFault::Unknown));
}

#[tokio::test]
async fn a_rotated_key_works_on_for_the_grace_and_its_successor_from_at_once() {
    let house = House::new().await;
    let old = house.minted("ci").await;
    let grace = Duration::from_mins(1);
    let new = house.mint.rotate(old.key.id.clone(), grace, None).await.unwrap();
    assert_eq!((new.key.team.as_str(), new.key.name.as_str(), new.key.expires), ("design", "ci", None));
    let retired = new.replaces.clone().unwrap();
    assert_eq!((retired.id, retired.expires), (old.key.id.clone(), Some(at(NOW + 60))));
    assert_eq!((house.opens(&old), house.opens(&new)), (Ok(()), Ok(())));
    let again = house.mint.rotate(old.key.id.clone(), grace, None).await;
    assert!(matches!(again, Err(MintError::Replaced(by)) if by == new.key.id));
    house.clock.set(NOW + 59);
    assert_eq!(house.opens(&old), Ok(()));
    house.clock.set(NOW + 60);
    assert_eq!((house.opens(&old), house.opens(&new)), (Err(KeyFault::Expired), Ok(())));
    let at_once = house.mint.rotate(new.key.id.clone(), Duration::ZERO, Some(at(NOW + DAY))).await.unwrap();
    assert_eq!((house.opens(&new), house.opens(&at_once)), (Err(KeyFault::Expired), Ok(())));
    assert_eq!(at_once.key.expires, Some(at(NOW + DAY)));
    let house = House::over(Arc::clone(&house.shelf)).await;
    house.clock.set(NOW + 60);
    assert_eq!((house.opens(&old), house.opens(&at_once)), (Err(KeyFault::Expired), Ok(())));
}

#[tokio::test]
async fn a_rotation_prolongs_nothing_by_itself() {
    let house = House::new().await;
    let end = Some(at(NOW + 30));
    let old = house.mint.mint("design".into(), "ci".into(), end).await.unwrap();
    let new = house.mint.rotate(old.key.id.clone(), Duration::from_mins(1), None).await.unwrap();
    assert_eq!((new.key.expires, new.replaces.and_then(|old| old.expires)), (end, end));
    house.clock.set(NOW + 30);
    assert!(matches!(house.mint.rotate(new.key.id, Duration::ZERO, None).await, Err(MintError::Expired)));
}

#[tokio::test]
async fn of_the_keys_that_work_two_share_a_name_only_by_rotation() {
    let house = House::new().await;
    let first = house.minted("ci").await;
    let same = |team: &str| house.mint.mint(team.into(), "ci".into(), Some(at(NOW + 10)));
    assert!(matches!(same("design").await, Err(MintError::NameTaken(id)) if id == first.key.id));
    same("print").await.unwrap();
    let second = house.mint.rotate(first.key.id.clone(), Duration::from_mins(1), None).await.unwrap();
    assert!(matches!(same("design").await, Err(MintError::NameTaken(id)) if id == second.key.id));
    house.mint.revoke(second.key.id).await.unwrap();
    // The first still has its grace, but was given up.
    same("design").await.unwrap();
    house.clock.set(NOW + 10);
    house.minted("ci").await;
}

#[tokio::test]
async fn changes_at_the_same_time_do_not_lose_one_another() {
    let house = House::new().await;
    let mut changes = JoinSet::new();
    for number in 0..20 {
        let mint = house.mint.clone();
        changes.spawn(async move { mint.mint("design".into(), number.to_string(), None).await });
    }
    let made: Vec<_> = changes.join_all().await.into_iter().map(Result::unwrap).collect();
    assert!(made.iter().all(|key| house.opens(key).is_ok()));
    assert_eq!((house.mint.table().len(), house.shelf.ids().len()), (20, 20));
    let one = made.first().unwrap();
    let mut changes = JoinSet::new();
    for _ in 0..5 {
        let (mint, id) = (house.mint.clone(), one.key.id.clone());
        changes.spawn(async move { mint.rotate(id, Duration::ZERO, None).await });
    }
    let rotated = changes.join_all().await.into_iter().flatten().count();
    assert_eq!((rotated, house.mint.table().len(), house.shelf.ids().len()), (1, 21, 21));
}

#[tokio::test]
async fn what_cannot_be_written_down_changes_nothing() {
    let house = House::new().await;
    let key = house.minted("ci").await;
    house.shelf.fails.store(true, Ordering::SeqCst);
    let id = || key.key.id.clone();
    assert!(matches!(house.mint.mint("design".into(), "b".into(), None).await, Err(MintError::Store(_))));
    assert!(matches!(house.mint.rotate(id(), Duration::ZERO, None).await, Err(MintError::Store(_))));
    assert!(matches!(house.mint.revoke(id()).await, Err(MintError::Store(_))));
    assert_eq!((house.opens(&key), house.mint.table().len()), (Ok(()), 1));
    house.shelf.fails.store(false, Ordering::SeqCst);
    house.mint.rotate(id(), Duration::ZERO, None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_is_made_although_its_client_leaves_and_holds_once_it_is_written_down() {
    let house = House::new().await;
    let key = house.minted("ci").await;
    house.shelf.permits.forget_permits(Semaphore::MAX_PERMITS);
    {
        let revoking = house.mint.revoke(key.key.id.clone());
        timeout(Duration::from_millis(1), revoking).await.unwrap_err();
    }
    assert_eq!(house.opens(&key), Ok(()), "not written down, and not answered");
    house.shelf.permits.add_permits(1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((house.opens(&key), house.shelf.ids()), (Err(KeyFault::Unknown), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_not_waited_for_for_ever() {
    let house = House::new().await;
    house.shelf.permits.forget_permits(Semaphore::MAX_PERMITS);
    let minting = house.mint.mint("design".into(), "ci".into(), None);
    assert!(matches!(minting.await, Err(MintError::Late)));
    for _ in 0..ORDERS_MAX {
        let order = house.mint.revoke("none".to_owned());
        drop(timeout(Duration::ZERO, order).await);
    }
    assert!(matches!(house.mint.revoke("none".to_owned()).await, Err(MintError::Busy)));
}

#[tokio::test(start_paused = true)]
async fn last_uses_are_written_every_minute_and_known_after_a_restart() {
    let house = House::new().await;
    let key = house.minted("ci").await;
    let id = key.key.id.clone();
    let used = |house: &House| house.mint.uses().of(&id).get();
    assert_eq!(used(&house), None);
    house.opens(&key).unwrap();
    assert_eq!((used(&house), house.shelf.uses.lock().unwrap().len()), (Some(NOW), 0));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(*house.shelf.uses.lock().unwrap(), BTreeMap::from([(id.clone(), NOW)]));
    let house = House::over(Arc::clone(&house.shelf)).await;
    assert_eq!(used(&house), Some(NOW));
}

#[tokio::test(start_paused = true)]
async fn keys_that_expired_are_listed_for_a_week_and_then_removed() {
    let shelf = Arc::<Shelf>::default();
    let keys = [("a", Some(NOW - 8 * DAY)), ("b", Some(NOW - 6 * DAY)), ("c", None)];
    let keys = keys.map(|(name, expires)| stored(hash_secret(name), name.to_owned(), expires));
    shelf.keys.lock().unwrap().extend(keys.iter().map(|key| (key.id.clone(), key.clone())));
    let house = House::over(Arc::clone(&shelf)).await;
    let names = || {
        let table = house.mint.table();
        let mut names: Vec<_> = table.entries().map(|(key, _)| key.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!((names(), shelf.ids().len()), (vec!["b".to_owned(), "c".to_owned()], 2));
    house.clock.set(NOW + 2 * DAY);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((names(), shelf.ids().len()), (vec!["c".to_owned()], 1));
}

#[tokio::test]
async fn there_are_only_so_many_minted_keys() {
    let shelf = Arc::<Shelf>::default();
    let keys =
        (0..MINTED_MAX).map(|number| stored(hash_secret(&number.to_string()), number.to_string(), None));
    shelf.keys.lock().unwrap().extend(keys.map(|key| (key.id.clone(), key)));
    let house = House::over(shelf).await;
    let id = hash_secret("0").short();
    assert!(matches!(house.mint.mint("design".into(), "ci".into(), None).await, Err(MintError::Full)));
    assert!(matches!(house.mint.rotate(id.clone(), Duration::ZERO, None).await, Err(MintError::Full)));
    house.mint.revoke(id).await.unwrap();
    house.minted("ci").await;
}
