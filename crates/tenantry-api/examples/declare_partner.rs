//! Builds a Partner with one Client in Rust and prints both as YAML for `kubectl apply -f -`:
//!
//!     cargo run -p tenantry-api --example declare_partner | kubectl apply -f -

use tenantry_api::{
    ClientDetails, ClientSpec, Partner, PartnerDetails, PartnerRef, PartnerSpec, SecretRef, TenantClient,
};
use tenantry_catalog::Package;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let partner = Partner::new(
        "acme",
        PartnerSpec {
            connection_secret_ref: Some(SecretRef { name: "platform".to_owned() }),
            details: PartnerDetails { name: "Acme Managed Services".to_owned(), ..PartnerDetails::default() },
            packages: Some(vec![Package::EventAndIncidentManagement]),
            ..PartnerSpec::default()
        },
    );
    let client = TenantClient::new(
        "globex",
        ClientSpec {
            partner_ref: Some(PartnerRef { name: "acme".to_owned(), ..PartnerRef::default() }),
            details: ClientDetails { name: "Globex".to_owned(), ..ClientDetails::default() },
            ..ClientSpec::default()
        },
    );
    print(&partner)?;
    print(&client)
}

#[expect(clippy::print_stdout, reason = "the output is the manifest")]
fn print(object: &impl serde::Serialize) -> Result<(), Box<dyn std::error::Error>> {
    println!("---\n{}", serde_yaml::to_string(object)?);
    Ok(())
}
