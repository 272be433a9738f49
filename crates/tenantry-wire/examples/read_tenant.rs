//! Parses the answer of the tenancy API to the read of a client, and builds the body of an update that clears one member:
//!
//!     cargo run -p tenantry-wire --example read_tenant

use tenantry_wire::Tenant;

#[expect(clippy::print_stdout, reason = "the output is the example")]
fn main() -> Result<(), serde_json::Error> {
    let answer = r#"{"uniqueId": "client_1", "name": "Globex", "city": "Bonn", "country": "Germany"}"#;
    let tenant: Tenant = serde_json::from_str(answer)?;
    println!("{} is in {}", tenant.name.as_deref().unwrap_or("-"), tenant.city.as_deref().unwrap_or("-"));
    // An absent member means "unchanged", and an empty text clears.
    let update = Tenant { city: Some(String::new()), ..Tenant::default() };
    println!("{}", serde_json::to_string(&update)?);
    Ok(())
}
