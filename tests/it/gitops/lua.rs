//! Argo CD's Lua runtime: its libraries, and how objects are passed to and from a script.
//!
//! Argo CD runs Lua 5.1 with the base and table libraries alone, and `require("os")` for `time` and `date`. An empty
//! table is returned as an empty list; Argo CD replaces it by the empty object that was there.

use std::collections::BTreeMap;

use mlua::{Lua, LuaOptions, StdLib, Table, Value as LuaValue};
use serde_json::{Map, Value, json};

/// Runs a script on an object, and returns its result.
pub(super) fn run_script(script: &str, object: &Value) -> Value {
    let lua = Lua::new_with(StdLib::TABLE | StdLib::OS, LuaOptions::default()).unwrap();
    let globals = lua.globals();
    let os: Table = globals.get("os").unwrap();
    let safe = lua.create_table().unwrap();
    for name in ["time", "date"] {
        safe.set(name, os.get::<LuaValue>(name).unwrap()).unwrap();
    }
    globals.set("os", LuaValue::Nil).unwrap();
    let require = lua.create_function(move |_, name: String| match name.as_str() {
        "os" => Ok(safe.clone()),
        other => Err(mlua::Error::runtime(format!("no module `{other}`"))),
    });
    globals.set("require", require.unwrap()).unwrap();
    globals.set("obj", to_lua(&lua, object)).unwrap();
    from_lua(&lua.load(script).eval::<LuaValue>().unwrap_or_else(|error| panic!("{error}")))
}

fn to_lua(lua: &Lua, value: &Value) -> LuaValue {
    match value {
        Value::Null => LuaValue::Nil,
        Value::Bool(value) => LuaValue::Boolean(*value),
        Value::Number(value) => LuaValue::Number(value.as_f64().unwrap()),
        Value::String(value) => LuaValue::String(lua.create_string(value).unwrap()),
        Value::Array(values) => {
            LuaValue::Table(lua.create_sequence_from(values.iter().map(|value| to_lua(lua, value))).unwrap())
        }
        Value::Object(members) => {
            let members = members.iter().map(|(key, value)| (key.as_str(), to_lua(lua, value)));
            LuaValue::Table(lua.create_table_from(members).unwrap())
        }
    }
}

fn from_lua(value: &LuaValue) -> Value {
    match value {
        LuaValue::Nil => Value::Null,
        LuaValue::Boolean(value) => json!(value),
        LuaValue::Integer(value) => json!(value),
        LuaValue::Number(value) if value.fract() == 0.0 => serde_json::from_str(&format!("{value:.0}")).unwrap(),
        LuaValue::Number(value) => json!(value),
        LuaValue::String(value) => json!(value.to_str().unwrap().to_owned()),
        LuaValue::Table(table) => {
            let values: Vec<Value> =
                table.clone().sequence_values::<LuaValue>().map(|value| from_lua(&value.unwrap())).collect();
            let members: BTreeMap<String, Value> = if values.is_empty() {
                table
                    .clone()
                    .pairs::<String, LuaValue>()
                    .map(Result::unwrap)
                    .map(|(key, value)| (key, from_lua(&value)))
                    .collect()
            } else {
                BTreeMap::new()
            };
            if members.is_empty() { Value::Array(values) } else { json!(members) }
        }
        other => panic!("a {} is no part of an object", other.type_name()),
    }
}

/// Returns the merge patch that Argo CD sends for the result of an action.
pub(super) fn merge_patch(before: &Value, after: &Value) -> Value {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return after.clone() };
    let mut patch = Map::new();
    for (key, old) in before {
        match after.get(key) {
            None => drop(patch.insert(key.clone(), Value::Null)),
            Some(new) if new == &json!([]) && old == &json!({}) => {}
            Some(new) if new != old => drop(patch.insert(key.clone(), self::merge_patch(old, new))),
            Some(_) => {}
        }
    }
    let added = after.iter().filter(|(key, _)| !before.contains_key(*key));
    patch.extend(added.map(|(key, new)| (key.clone(), new.clone())));
    Value::Object(patch)
}
