//! How are the names of `rules`, which carry no serde, read and written as keys?

use std::collections::BTreeMap;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// For `#[serde(with = "crate::names")]` on a map whose keys are names.
pub(crate) fn serialize<K: Display, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut entries = serializer.serialize_map(Some(map.len()))?;
    for (key, value) in map {
        entries.serialize_entry(&key.to_string(), value)?;
    }
    entries.end()
}

/// The counterpart of [`serialize`].
pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: FromStr<Err: Display> + Ord,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Names<K, V>(PhantomData<(K, V)>);

    impl<'de, K, V> Visitor<'de> for Names<K, V>
    where
        K: FromStr<Err: Display> + Ord,
        V: Deserialize<'de>,
    {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<String, V>()? {
                map.insert(key.parse().map_err(A::Error::custom)?, value);
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Names(PhantomData))
}

/// The same for a shared map.
pub(crate) mod shared {
    use super::{
        Arc, BTreeMap, Deserialize, Deserializer, Display, FromStr, Serialize, Serializer,
    };

    pub(crate) fn serialize<K: Display, V: Serialize, S: Serializer>(
        map: &Arc<BTreeMap<K, V>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::serialize(map, serializer)
    }

    pub(crate) fn deserialize<'de, K, V, D>(d: D) -> Result<Arc<BTreeMap<K, V>>, D::Error>
    where
        K: FromStr<Err: Display> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        super::deserialize(d).map(Arc::new)
    }
}
