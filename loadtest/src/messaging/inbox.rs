//! What stands in a tenant's inbox? Made up from the tenant's name alone, so that both services hold the same.

/// One made-up conversation.
pub(super) struct Thread {
    pub(super) id: String,
    pub(super) subject: &'static str,
    pub(super) participants: Vec<&'static str>,
    pub(super) unread: u64,
}

/// One made-up message.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) sender: &'static str,
    pub(super) text: &'static str,
    pub(super) sent_at: String,
}

const SUBJECTS: [&str; 6] =
    ["Next visit", "Lab results", "New address", "Refill", "Question on a bill", "Thank you"];
const PEOPLE: [&str; 7] = ["Abena", "Bruno", "Chidi", "Dana", "Emre", "Farah", "Gita"];
const TEXTS: [&str; 5] = [
    "Can we move it to Thursday?",
    "Received, thank you.",
    "Please see the attached page.",
    "I will call you tomorrow.",
    "All good from our side.",
];

/// A tenant's conversations, two to five.
pub(super) fn threads(tenant: &str) -> Vec<Thread> {
    let seed = mix(tenant.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)));
    (0..2 + seed % 4).map(|number| thread(seed, number)).collect()
}

/// The conversation with an id, whatever the id: every one exists.
pub(super) fn thread_of(tenant: &str, id: &str) -> Thread {
    let found = threads(tenant).into_iter().find(|thread| thread.id == id);
    found.unwrap_or_else(|| thread(id.len() as u64, 0))
}

/// A conversation's messages, three to six.
pub(super) fn messages(id: &str) -> Vec<Message> {
    let seed = mix(id.bytes().fold(3, |sum, byte| sum * 31 + u64::from(byte)));
    let message = |number: u64| Message {
        id: format!("{id}-m{number}"),
        sender: pick(&PEOPLE, seed + number),
        text: pick(&TEXTS, seed / 3 + number),
        sent_at: format!("2026-03-{:02}T{:02}:15:00Z", 1 + seed % 28, 8 + number),
    };
    (0..3 + seed % 4).map(message).collect()
}

fn thread(seed: u64, number: u64) -> Thread {
    let start = seed + number;
    let participants = (0..3).map(|next| pick(&PEOPLE, start + 2 * next)).collect();
    let id = format!("t{}-{number}", seed % 9_000 + 1_000);
    Thread { id, subject: pick(&SUBJECTS, start), participants, unread: start % 5 }
}

fn pick(from: &[&'static str], number: u64) -> &'static str {
    let place = usize::try_from(number).unwrap_or_default() % from.len().max(1);
    from.get(place).copied().unwrap_or_default()
}

/// `SplitMix64`'s finaliser (Steele, Lea, Flood 2014), kept below 2^32 so that sums cannot overflow.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (value ^ (value >> 31)) >> 32
}
